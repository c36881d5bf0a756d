"""stages.py judges each stage as it went, and ends one that takes too long."""

import json
import os
import pathlib
import sys
import tempfile
import unittest

import stages


def suite(*tests):
    """What GoogleTest writes about `tests`, each (class, name, failed)."""
    return json.dumps({"testsuites": [{"testsuite": [
        {"classname": where, "name": name, **({"failures": [{"failure": "so"}]} if failed else {})}
        for where, name, failed in tests]}]})


class Judging(unittest.TestCase):
    def test_a_stage_passes_only_when_all_that_it_found_did(self):
        self.assertEqual(stages.judge(0, [{"passed": True}], "", 5)[0], "passed")
        self.assertEqual(stages.judge(0, [{"passed": True}, {"passed": False}], "", 5)[0], "failed")
        self.assertEqual(stages.judge(0, [], "", 5), ("failed", "found nothing"))

    def test_the_reason_is_what_the_program_said(self):
        self.assertEqual(stages.judge(3, [{"passed": False, "error": "no device: none"}], "", 5),
                         ("not run", "no device: none"))
        self.assertEqual(stages.judge(1, [{"passed": False, "error": "cudaMalloc: bad"}], "", 5),
                         ("failed", "cudaMalloc: bad"))
        self.assertEqual(stages.judge(127, [], "libcudnn.so.9: cannot open\n", 5), ("failed", "libcudnn.so.9: cannot open"))
        self.assertEqual(stages.judge(-11, [{"passed": True}], "", 5), ("failed", "ended by signal 11"))
        self.assertEqual(stages.judge(None, [{"passed": True}], "", 5), ("failed", "took more than its 5 s"))

    def parity(self, status, *tests):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "parity.json"
            path.write_text(suite(*tests))
            return stages.judge_parity(status, path, 5, "")

    def test_parity_wants_every_golden_test_on_the_gpu(self):
        golden = [("AllBackends/Golden", f"Test/cuda_{precision}_{i}", False)
                  for precision in stages.TYPES for i in range(stages.GOLDEN_TESTS // len(stages.TYPES))]
        self.assertEqual(self.parity(0, *golden)[0], "passed")
        self.assertEqual(self.parity(0, *golden[1:])[0], "failed")
        self.assertEqual(self.parity(1, *golden[1:], ("AllBackends/Golden", "Test/cuda_f32_0", True))[0], "failed")
        self.assertEqual(self.parity(0, ("CudaCalls", "NoneIsMissing", False))[0], "not run")

    def test_golden_tests_are_as_many_as_the_suite_has(self):
        tests = pathlib.Path(__file__).resolve().parent.parent
        of_each_cell = (tests / "model/backend/golden_test.cc").read_text().count("TEST_P(Golden, ")
        cells = len(list((tests / "golden").glob("*.json")))
        self.assertEqual(stages.GOLDEN_TESTS, of_each_cell * cells * len(stages.TYPES))

    def test_places_of_tensors_are_those_of_the_golden_file(self):
        stack = {"cell": "gru", "layers": 1, "hidden": 2, "vocabulary": 3, "weight_space_elements": 9, "runs": [[0, 0, 9]]}
        moved = {**stack, "runs": [[0, 1, 8]]}
        golden = {"device": "A GPU", "cudnn": 91900, "stacks": [stack]}
        self.assertEqual(stages.as_first_seen({"cudnn": 91900, "stacks": [stack]}, golden),
                         ("passed", "as cuDNN 91900 had them on A GPU"))
        self.assertEqual(stages.as_first_seen({"cudnn": 91900, "stacks": [moved]}, golden)[0], "failed")
        self.assertEqual(stages.as_first_seen({"cudnn": 92000, "stacks": [moved]}, golden),
                         ("passed", "not as in cuDNN 91900: [('gru', 1, 2, 3)]"))

    def test_parity_without_its_file_failed(self):
        self.assertEqual(stages.judge_parity(-6, pathlib.Path("/nowhere/parity.json"), 5, "")[0], "failed")


class Running(unittest.TestCase):
    def test_what_was_printed_until_the_limit_is_kept(self):
        program = "import signal; print('{\"passed\": true}', flush=True); signal.pause()"
        status, out, _ = stages.run([sys.executable, "-c", program], dict(os.environ), 1)
        self.assertIsNone(status)
        self.assertEqual(stages.documents(out), [{"passed": True}])

    def test_a_program_that_is_not_there_says_so(self):
        status, _, err = stages.run(["/nowhere/gpu_proof"], {}, 1)
        self.assertEqual(stages.judge(status, [], err, 1)[0], "failed")
        self.assertIn("/nowhere/gpu_proof", err)

    def test_all_limits_together_are_less_than_ten_minutes(self):
        self.assertLess(sum(limit for _, limit, _ in stages.STAGES), 600)


class Table(unittest.TestCase):
    def test_shows_the_speeds_beside_each_other(self):
        def line(what, speed):
            return {"what": what, "layers": 2, "hidden": 256, "batch": 32, "precision": "f16", "tokens_per_second": speed}

        def stage(*findings):
            return {"status": "passed", "reason": "", "seconds": 1.5, "findings": findings}

        text = stages.table({"device": "A GPU", "libraries": {}, "stages": {
            "training": stage({**line("training with graph", 3e6), "choice": "small-h"}, line("training without graph", 2e6)),
            "serving": stage({"what": "load", "model": "bf16", "streams": 64, "served_tokens_per_second": 9e5,
                              "first_token_p99_seconds": 0.0025},
                             {"what": "load beside a training", "streams": 64, "step_gap_p999_seconds": 0.0075,
                              "training_share": 0.91}),
            "PyTorch": stage({"what": "versions"}, line("training eager", 1e6), line("training with graph", 1.5e6))}})
        self.assertIn("device: A GPU", text)
        row = next(row for row in text.splitlines() if "2 x 256, 32" in row)
        self.assertEqual(row.split()[-6:], ["3,000,000", "2,000,000", "1,000,000", "1,500,000", "2.00", "small-h"])
        self.assertIn("training, LSTM f16", text)
        self.assertNotIn("training, LSTM bf16", text)
        self.assertRegex(text, r"smoke +not run .*not reached")
        self.assertNotIn("sampling, LSTM", text)
        self.assertRegex(text, r"bf16, 64 +900,000 +first token p99 2.5 ms")
        self.assertIn("64 streams: step gap p99.9 7.5 ms, the training at 91 % of its speed", text)


if __name__ == "__main__":
    unittest.main()
