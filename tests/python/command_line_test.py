"""Runs the programs themselves, derind and derin, the way a person does in a terminal.

Usage: command_line_test.py DERIND DERIN
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from server_process import ServerProcess

DERIND, DERIN = sys.argv[1:3]
TEXT = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n" * 40


def setUpModule():
    global server
    server = ServerProcess(DERIND)
    unittest.addModuleCleanup(server.remove)


class CommandLine(unittest.TestCase):
    def run_derin(self, *arguments, status=0):
        """What `derin` wrote to standard output and standard error; checks its exit status."""
        done = subprocess.run([DERIN, *arguments, "--server", server.address], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout, done.stderr

    def test_goes_from_a_file_to_text_in_a_session(self):
        with tempfile.TemporaryDirectory() as folder:
            book = pathlib.Path(folder) / "book.txt"
            book.write_text(TEXT)
            self.run_derin("corpus", "add", "fox", str(book))
        trained, _ = self.run_derin(
            "train", "--corpus", "fox", "--model", "fox", "--hidden", "12", "--batch", "4", "--steps", "16",
            "--optimizer", "adam", "--epochs", "2", "--seed", "1")
        self.assertIn("models/fox/versions/1", trained)
        models = json.loads(self.run_derin("models", "list", "--json")[0])
        self.assertIn("models/fox", json.dumps(models))

        def generate(*arguments):
            return self.run_derin("generate", *arguments)[0]

        whole = generate("--model", "fox", "--seed", "5", "--prompt", "the ", "--max-tokens", "40")
        session = self.run_derin("sessions", "open", "--model", "fox", "--seed", "5")[0].strip()
        first = generate("--session", session, "--prompt", "the ", "--max-tokens", "15")
        second = generate("--session", session, "--prompt", "", "--max-tokens", "25")
        self.assertEqual(len(whole), 40)
        self.assertEqual(first + second, whole)
        self.run_derin("sessions", "close", session)
        self.run_derin("status")

    def test_says_with_its_exit_status_who_refused(self):
        _, said = self.run_derin("generate", "--model", "none", "--prompt", "x", status=1)
        self.assertIn("none", said)
        _, said = self.run_derin("generat", status=2)
        self.assertIn("generate", said)

    def test_both_programs_check_the_processor(self):
        for program in (DERIND, DERIN):
            self.assertIn(b"wanted x86-64-v3", pathlib.Path(program).read_bytes(), program)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
