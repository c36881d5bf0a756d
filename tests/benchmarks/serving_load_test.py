"""That the load generator still drives a server: `serving_load_test.py DERIND DERIN SERVING_LOAD`. Says nothing of speed."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from server_process import ServerProcess  # noqa: E402

DERIND, DERIN, SERVING_LOAD = sys.argv[1:4]


class ServingLoad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess(DERIND)
        cls.addClassCleanup(cls.server.remove)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as text:
            text.write("the quick brown fox jumps over the lazy dog " * 20)
            text.flush()
            cls.derin("corpus", "add", "fox", text.name)
        cls.derin("train", "--corpus", "fox", "--model", "fox", "--hidden", "16", "--layers", "1", "--epochs", "1", "--batch",
                  "4", "--steps", "8")

    @classmethod
    def derin(cls, *arguments):
        subprocess.run([DERIN, *arguments, "--server", cls.server.address], check=True, capture_output=True)

    def load(self, *flags):
        done = subprocess.run([SERVING_LOAD, "--server", self.server.address, "--model", "fox", "--warm-up", "0", "--duration",
                               "0.5", "--output", "20", "--json", *flags], check=True, capture_output=True, text=True)
        seen = json.loads(done.stdout)
        self.assertEqual(seen["errors"], {})
        self.assertGreater(seen["tokens_per_second"], 0)
        self.assertGreater(seen["first_token_seconds"]["count"], 0)
        self.assertLessEqual(seen["first_token_seconds"]["p50"], seen["first_token_seconds"]["max"])
        return seen

    def test_closed_loop_with_a_session_for_each_stream(self):
        self.assertEqual(self.load("--streams", "4", "--sessions", "keep", "--per-token")["most_under_way"], 4)
        sessions = subprocess.run([DERIN, "sessions", "list", "--json", "--server", self.server.address], check=True,
                                  capture_output=True, text=True)
        self.assertNotIn("sessions/", sessions.stdout)

    def test_open_loop(self):
        seen = self.load("--streams", "8", "--rate", "40", "--sessions", "call", "--interval", "1")
        self.assertLessEqual(seen["most_under_way"], 8)
        # As many as the seed has in half a second.
        self.assertEqual(seen["first_token_seconds"]["count"], self.load("--streams", "8", "--rate", "40")[
            "first_token_seconds"]["count"])

    def test_errors_by_code_and_reason(self):
        done = subprocess.run([SERVING_LOAD, "--server", self.server.address, "--model", "none", "--warm-up", "0", "--duration",
                               "0.2", "--json"], check=True, capture_output=True, text=True)
        self.assertEqual(list(json.loads(done.stdout)["errors"]), ["NOT_FOUND MODEL_NOT_FOUND"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
