"""A whole derind on the GPU, through the programs that its users have: it trains, streams text, keeps sessions in less device
memory than they need, goes on after SIGKILL in the middle of a training and of a session, and refuses what cannot fit.

One JSON document a line, as gpu_proof prints them; exit status 3 where there is no GPU that works. With --device cpu it does the
same without a GPU.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from server_process import ServerProcess

NO_DEVICE = 3
HERE = pathlib.Path(__file__).resolve().parent
SAMPLING = ["--temperature", "0.7"]
# So many sessions take turns in the device memory of about four of them.
SESSIONS = 24
STATES_ON_DEVICE = 4


class Unexpected(Exception):
    """A program did not end as it should; what it said."""


class Proof:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(options.folder)
        self.passed = True
        self.server = None

    def program(self, name):
        return str(pathlib.Path(self.options.programs) / name)

    def serve(self, *flags):
        self.server = ServerProcess(self.program("derind"), "--device", self.options.device, "--max-streams", "2048", *flags,
                                    data=self.folder / "data")

    def derin(self, *arguments, status=0):
        done = subprocess.run([self.program("derin"), *arguments, "--server", self.server.address],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=80)
        if done.returncode != status:
            raise Unexpected(f"derin {arguments[0]}: exit status {done.returncode}, wanted {status}: {done.stderr.strip()}")
        return done.stdout if status == 0 else done.stderr

    def document(self, *arguments):
        return json.loads(self.derin(*arguments, "--json"))

    def train(self, model, *flags, epochs):
        """The job as it ended."""
        lines = self.derin("train", "--corpus", "sea", "--model", model, "--hidden", str(self.options.hidden), "--epochs",
                           str(epochs), "--seed", "1", *flags, "--json").splitlines()
        return json.loads(lines[-1])["result"]

    def text(self, *flags, tokens=200):
        return self.derin("generate", *flags, *SAMPLING, "--max-tokens", str(tokens))

    def open(self, model, seed):
        return self.derin("sessions", "open", "--model", model, "--seed", str(seed)).strip()

    def show(self, what, find):
        """Prints what `find` found; a failure of one does not keep the next from being tried."""
        line = {"what": what}
        started = time.monotonic()
        try:
            line.update(find())
        except (Unexpected, RuntimeError, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
            line.update(passed=False, error=str(error))
        line["seconds"] = round(time.monotonic() - started, 2)
        self.passed &= line["passed"]
        print(json.dumps(line), flush=True)

    def device(self):
        status = self.document("status")
        device = status["device"]
        return {"passed": self.options.device.startswith(device["backend"]), "device": device["description"],
                "engine": device["engine_id"], "free_bytes": device["free_bytes"]}

    def times_algorithms(self):
        """What the backend starts to choose an algorithm, for the recipe in f16."""
        program = pathlib.Path(self.options.programs).parent / "lib/derin/derin_cuda_timing"
        algorithms = ["standard", "persist-static", "own-kernels", "step-products"]
        done = subprocess.run([program, "lstm", "f16", "0", "2", "256", "28", "35", "32", *algorithms], capture_output=True,
                              text=True, timeout=60)
        lines = done.stdout.splitlines()
        return {"passed": done.returncode == 0 and len(lines) == len(algorithms) and all(line.startswith("ok ") for line in lines),
                "milliseconds": dict(zip(algorithms, lines)), "said": done.stderr[-300:]}

    def trains(self, model, precision, epochs):
        job = self.train(model, "--precision", precision, epochs=epochs)
        progress = job["progress"]
        return {"passed": job["state"] == "succeeded" and progress["best_perplexity"] < 17, "precision": precision,
                "best_perplexity": progress["best_perplexity"], "training_tokens_per_second": progress["tokens_per_second"]}

    def repeats_text(self):
        texts = {self.text("--model", "f32", "--seed", "1", "--prompt", "the keeper ") for _ in range(3)}
        return {"passed": len(texts) == 1, "text": min(texts)[:60]}

    def serves_beside_training(self):
        alone = self.text("--model", "f32", "--seed", "2", "--prompt", "the sea ")
        self.derin("train", "--corpus", "sea", "--model", "beside", "--hidden", str(self.options.hidden), "--epochs", "1000000",
                   "--checkpoint-seconds", "1", "--id", "beside", "--detach")
        beside = {self.text("--model", "f32", "--seed", "2", "--prompt", "the sea ") for _ in range(3)}
        return {"passed": beside == {alone}}

    def trained_steps(self):
        """So far by the job that runs beside, with the time at which that was."""
        return self.document("jobs", "show", "beside")["progress"]["step"], time.monotonic()

    def loads_beside_training(self, streams):
        """A message for each token, so that the gaps are those of steps; what each of the two leaves the other."""
        first = self.trained_steps()
        time.sleep(2 * self.options.seconds)
        alone = self.trained_steps()
        seen = self.load("f32", streams, 500, "--per-token")
        beside = self.trained_steps()

        def rate(begin, end):
            return (end[0] - begin[0]) / (end[1] - begin[1])

        return {"passed": seen["errors"] == {} and beside[0] > alone[0], "streams": streams,
                "step_gap_p999_seconds": seen["gap_seconds"]["p99.9"], "training_share": rate(alone, beside) / rate(first, alone)}

    def keeps_sessions_in_little_memory(self):
        """More of them than fit on the device, in turn; each draws what a call that is never interrupted does."""
        sessions = [self.open("f32", seed) for seed in range(SESSIONS)]
        texts = [self.text("--session", session, tokens=20) for session in sessions]
        tiers = {self.document("sessions", "show", session)["tier"] for session in sessions}
        texts = [text + self.text("--session", session, tokens=20) for text, session in zip(texts, sessions)]
        alone = [self.text("--model", "f32", "--seed", str(seed), tokens=40) for seed in range(SESSIONS)]
        same = sum(a == b for a, b in zip(texts, alone))
        return {"passed": same == SESSIONS and len(tiers) > 1, "sessions": SESSIONS, "same_as_alone": same,
                "tiers": sorted(tiers)}

    def goes_on_after_sigkill(self, flags):
        whole = self.text("--model", "f32", "--seed", "9", tokens=120)
        session = self.open("f32", 9)
        first = self.text("--session", session, tokens=60)
        kept = self.wait_for(lambda: self.document("jobs", "checkpoints", "beside")["training_checkpoints"])[0]["step"]
        self.server.kill()
        self.serve(*flags)
        second = self.text("--session", session, tokens=60)

        def step_beyond():
            progress = self.document("jobs", "show", "beside").get("progress", {})
            return progress["step"] if progress.get("attempt") == 2 and progress["step"] > kept else None

        step = self.wait_for(step_beyond)
        self.derin("jobs", "cancel", "beside")
        return {"passed": first + second == whole, "checkpoint_step": kept, "step": step}

    def wait_for(self, find):
        deadline = time.monotonic() + 30
        while not (found := find()):
            if time.monotonic() > deadline:
                raise Unexpected("it did not come to it in 30 seconds")
            time.sleep(0.1)
        return found

    def refuses_what_cannot_fit(self):
        # Longer than a minibatch of this size.
        long = self.folder / "long.txt"
        long.write_text(pathlib.Path(self.options.text).read_text() * 12)
        self.derin("corpus", "add", "long", str(long), "--normalization", "d2l-letters")
        said = self.derin("train", "--corpus", "long", "--model", "large", "--layers", "8", "--hidden", "2048", "--batch", "512",
                          "--steps", "1024", status=1)
        return {"passed": bool(re.search(r"\d.*(bytes|GiB|GB)", said)), "said": said.strip().splitlines()[-1]}

    def load(self, model, streams, output, *flags):
        return json.loads(subprocess.run(
            [self.program("serving_load"), "--server", self.server.address, "--model", model, "--streams",
             str(streams), "--output", str(output), "--warm-up", "1", "--duration", str(self.options.seconds), "--json", *flags],
            capture_output=True, text=True, timeout=60, check=True).stdout)

    def under_load(self, model, streams, output):
        seen = self.load(model, streams, output)
        return {"passed": seen["errors"] == {} and seen["tokens_per_second"] > 0, "model": model, "streams": streams,
                "served_tokens_per_second": seen["tokens_per_second"], "errors": seen["errors"],
                "first_token_p99_seconds": seen["first_token_seconds"]["p99"]}

    def ends_well(self):
        status = self.server.stop()
        return {"passed": status == 0, "exit_status": status, "log": self.server.log()[-3000:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--programs", default=HERE / "bin", help="folder of derind, derin and serving_load")
    parser.add_argument("--text", default=HERE / "data/recipe.txt", help="to train on")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--types", nargs="+", default=["f32", "tf32", "f16", "bf16"])
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 64, 256, 1024])
    parser.add_argument("--seconds", type=float, default=1.5, help="of each load")
    options = parser.parse_args()
    # Where what the module starts finds the libraries of a folder that stands on its own.
    folders = [str(pathlib.Path(options.programs).resolve().parent / "lib"), os.environ.get("LD_LIBRARY_PATH")]
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, folders))
    with tempfile.TemporaryDirectory(prefix="derin-proof-") as folder:
        options.folder = folder
        proof = Proof(options)
        # Two layers of h and c, and something for what surrounds them.
        little = STATES_ON_DEVICE * 2 * 2 * options.hidden * 4
        flags = ["--session-device-memory", str(little)]
        try:
            proof.serve()
        except RuntimeError as error:
            print(json.dumps({"passed": False, "error": "no device: " + str(error).strip().splitlines()[-1]}), flush=True)
            sys.exit(NO_DEVICE if "no NVIDIA driver" in str(error) or "no GPU" in str(error) else 1)
        try:
            proof.show("device", proof.device)
            proof.derin("corpus", "add", "sea", str(options.text), "--normalization", "d2l-letters")
            if options.device.startswith("cuda"):
                proof.show("algorithms", proof.times_algorithms)
            for precision in options.types:
                proof.show("training", lambda: proof.trains(precision, precision, options.epochs))
            proof.show("text", proof.repeats_text)
            for model in [name for name in ("f32", "bf16") if name in options.types]:
                for streams in options.streams:
                    proof.show("load", lambda: proof.under_load(model, streams, 500))
            proof.show("text beside a training", proof.serves_beside_training)
            for streams in options.streams[1:2] or options.streams:
                proof.show("load beside a training", lambda: proof.loads_beside_training(streams))
            proof.show("server killed", lambda: proof.goes_on_after_sigkill(flags))
            proof.show("sessions in little memory", proof.keeps_sessions_in_little_memory)
            proof.show("job too large", proof.refuses_what_cannot_fit)
            proof.show("end", proof.ends_well)
        finally:
            proof.server.remove()
    sys.exit(0 if proof.passed else 1)


if __name__ == "__main__":
    main()
