#!/usr/bin/env python3
"""Measures Derin and its peers side by side in one run, and prints tables with ratios.

    tests/benchmarks/peers/side_by_side.py [--rounds 5] [--seconds 2] [--only NAME] [--threads 2]

Builds Derin's worker, installs the peers into build/peers, and then goes through the tables below: all workers of a table
are started, warmed up and measured in turn, round after round, so that what else the machine does hits all alike. A
figure is the median of its rounds. Shares are of the multiply-add peak of the same number of threads, measured in the
same rounds.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PEERS = ROOT / "build/peers"
PYTHON = str(PEERS / "venv/bin/python")
DERIN = str(ROOT / "build/release/bin/derin_worker")

TRAIN = {
    "Derin": [DERIN, "train"],
    "PyTorch": [PYTHON, str(HERE / "torch_train.py")],
    "oneDNN, bare LSTM": [str(PEERS / "onednn_lstm")],
}
STEP = {
    "Derin": [DERIN, "step"],
    "ONNX Runtime": [PYTHON, str(HERE / "onnxruntime_step.py")],
    "PyTorch": [PYTHON, str(HERE / "torch_step.py")],
}
GATES = {"lstm": 4, "gru": 3, "vanilla": 1}


class Table:
    """One shape of work: a line for each peer and precision, the first being what ratios are to."""

    def __init__(self, name, peers, precisions, **options):
        self.name, self.peers, self.precisions, self.options = name, peers, precisions, options

    def flops_per_token(self):
        """Of the products: forward, and for training back to both factors of each."""
        layers, hidden = self.options.get("layers", 2), self.options.get("hidden", 256)
        gates = GATES[self.options.get("cell", "lstm")] * hidden
        forward = 2 * (gates * hidden * (2 * layers - 1) + hidden * 28)
        return 3 * forward if self.peers is TRAIN else forward


BOTH = ("f32", "bf16")
TABLES = [
    Table("train lstm 2 x 256", TRAIN, BOTH),
    Table("train gru 2 x 256", TRAIN, BOTH, cell="gru"),
    Table("train vanilla 2 x 256", TRAIN, BOTH, cell="vanilla"),
    Table("train lstm 1 x 1024", TRAIN, BOTH, layers=1, hidden=1024),
    Table("train lstm 3 x 512", TRAIN, BOTH, layers=3, hidden=512),
] + [Table(f"step lstm 2 x 256, batch {batch}", STEP, BOTH, batch=batch) for batch in (1, 8, 64, 256)]


class Worker:
    """A process that speaks the protocol of README.md; `rates` are its rounds."""

    def __init__(self, label, command):
        self.label, self.rates = label, []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ready(self):
        """Waits for the warm-up; None, or why there will be none."""
        if self.process.stdout.readline().strip() == "ready":
            return None
        return self.process.communicate()[1].strip().splitlines()[-1]

    def measure(self, seconds):
        self.process.stdin.write(f"run {seconds}\n")
        self.process.stdin.flush()
        tokens, elapsed = map(float, self.process.stdout.readline().split())
        self.rates.append(tokens / elapsed)

    def median(self):
        return statistics.median(self.rates)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def measure(table, options):
    arguments = ["--threads", str(options.threads)]
    for name, value in table.options.items():
        arguments += [f"--{name}", str(value)]
    workers, peaks = [], {}
    for precision in table.precisions:
        for peer, command in table.peers.items():
            worker = Worker((peer, precision), command + arguments + ["--precision", precision])
            refusal = worker.ready()
            if refusal is None:
                workers.append(worker)
            else:
                print(f"({peer} in {precision}: {refusal})", file=sys.stderr)
        peak = Worker(precision, [DERIN, "peak", "--precision", precision, "--threads", str(options.threads)])
        if peak.ready() is None:
            peaks[precision] = peak
    for _ in range(options.rounds):
        for worker in (*peaks.values(), *workers):
            worker.measure(options.seconds)
    for worker in (*peaks.values(), *workers):
        worker.stop()
    report(table, workers, {precision: peak.median() for precision, peak in peaks.items()})


def report(table, workers, peaks):
    derin = {worker.label[1]: worker.median() for worker in workers if worker.label[0] == "Derin"}
    print(f"\n{table.name}\n\n| | tokens/s | rounds from - to | of the peak | Derin f32 is | Derin bf16 is |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for worker in workers:
        peer, precision = worker.label
        rate = worker.median()
        share = f"{100 * rate * table.flops_per_token() / peaks[precision]:.0f} %"
        ratios = [f"{derin[p] / rate:.2f} x" if p in derin else "" for p in BOTH]
        spread = f"{min(worker.rates) / 1e3:.1f}k - {max(worker.rates) / 1e3:.1f}k"
        print(f"| {peer} {precision} | {rate / 1e3:.1f}k | {spread} | {share} | {' | '.join(ratios)} |")
    sys.stdout.flush()


def machine(options):
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    load = open("/proc/loadavg").read().split()[0]
    return f"{model}, {options.threads} threads, load before the run {load}, {options.rounds} rounds of {options.seconds} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="tables whose name has this in it")
    options = parser.parse_args()
    subprocess.run([str(HERE / "install.sh"), str(PEERS)], check=True)
    subprocess.run(["cmake", "--preset", "release", "-DDERIN_TESTS=ON"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "derin_worker"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    print(machine(options))
    for table in TABLES:
        if options.only in table.name:
            measure(table, options)


if __name__ == "__main__":
    main()
