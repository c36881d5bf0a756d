#!/usr/bin/env python3
"""Puts derind and peers under the same load in one run, and prints tables with ratios.

    tests/benchmarks/peers/serving_side_by_side.py [--rounds 5] [--seconds 3] [--peers FOLDER]

Builds derind and the load generator, installs the peers into build/peers, starts all servers, and drives them in turn,
round after round, so that what else the machine does hits all alike; a server that is not driven waits. Figures are
medians of the rounds. The load comes from serving_load, one C++ program for all servers, on the same processors as the
server; Triton is driven by its own Python client as well, as its users have it. Every server has a 2 x 256 LSTM over 28
tokens; texts of 500 tokens, one token of prompt.
"""

import argparse
import json
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from side_by_side import HERE, ROOT, Worker, machine
from worker import has_bf16_products

BIN = ROOT / "build/release/bin"
OUTPUT = 500
MANY = 1000
# Of a text in the open loop, so that many arrive.
SHORT_OUTPUT = 100


class Unavailable(Exception):
    """Why a peer is not measured."""


class Server:
    """A program that serves, and says somewhere that it does."""

    def __init__(self, folder, name, command, **environment):
        self.log = folder / f"{name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, env={**os.environ, **environment})

    def wait_for(self, pattern, file=None, timeout=90):
        """The match of `pattern` in what it wrote."""
        file = file or self.log
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = re.search(pattern, file.read_text()) if file.exists() else None
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise Unavailable((self.log.read_text().strip().splitlines() or ["it said nothing"])[-1])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Derind(Server):
    def __init__(self, folder, options):
        ports = folder / "ports"
        super().__init__(folder, "derind", [
            BIN / "derind", "--data-dir", folder / "data", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
            "--port-file", ports, "--threads", options.threads, "--max-streams", 2 * MANY, "--max-sessions", 4 * MANY,
            "--log-level", "warning"])
        self.address = self.wait_for(r"grpc (\S+)", ports).group(1)
        self.metrics = self.wait_for(r"metrics (\S+)", ports).group(1)

    def call(self, *arguments):
        subprocess.run([str(BIN / "derin"), *arguments, "--server", self.address], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def publish_models(self, folder, precisions):
        """One short training each: what the weights are does not matter to the time."""
        letters = random.Random(1)
        text = folder / "text.txt"
        text.write_text(" ".join("".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(4000)))
        self.call("corpus", "add", "letters", str(text), "--normalization", "d2l-letters")
        for precision in precisions:
            self.call("train", "--corpus", "letters", "--model", precision, "--precision", precision, "--epochs", "1")

    def training_so_far(self):
        """Tokens, and seconds that training and generation had the device to themselves."""
        page = urllib.request.urlopen(f"http://{self.metrics}/metrics").read().decode()

        def sum_of(name):
            return sum(float(value) for value in re.findall(rf"^{re.escape(name)}\S* (\S+)$", page, re.M))

        turns = "derin_device_turn_seconds_total{work=\"%s\"}"
        return (sum_of("derin_training_tokens_total"), sum_of(turns % "training"), sum_of(turns % "generation"))


class Triton(Server):
    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        packages = next((options.peers / "triton/lib").glob("python*/site-packages"))
        repository = folder / "repository"
        if not repository.exists():
            subprocess.run([options.peers / "venv/bin/python", HERE / "triton_repository.py", repository], check=True)
        port = free_port()
        libraries = subprocess.run(["/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"],
                                   check=True, capture_output=True, text=True).stdout.strip()
        super().__init__(folder, "triton", [
            packages / "pytriton/tritonserver/bin/tritonserver", "--model-repository", repository, "--backend-directory",
            options.peers / "triton/backends", "--allow-http", "false", "--grpc-address", "127.0.0.1", "--grpc-port", port,
            "--allow-metrics", "false", "--allow-gpu-metrics", "false"],
            LD_LIBRARY_PATH=f"{packages}/nvidia_pytriton.libs:{libraries}",
            PEER_SITE_PACKAGES=str(packages), PEER_THREADS=str(options.threads))
        self.address = f"127.0.0.1:{port}"
        self.wait_for("Started GRPCInferenceService")

    def revive(self):
        """Starts it again if it has crashed."""
        if self.process.poll() is not None:
            print(f"(Triton had ended with {self.process.returncode}, and is started again)", flush=True)
            self.__init__(self.folder, self.options)


class Aio(Server):
    def __init__(self, folder, options, streams):
        # One row is quickest on one thread. Threads that spin would take the processors from the load.
        threads = 1 if streams == 1 else options.threads
        super().__init__(folder, f"aio-{streams}", [
            options.peers / "venv/bin/python", HERE / "grpc_aio_server.py", "--batch", streams, "--threads", threads],
            OMP_WAIT_POLICY="passive")
        self.address = f"127.0.0.1:{self.wait_for(r'ready ([0-9]+)').group(1)}"


def drive(address, model, seconds, *flags):
    """The load generator's JSON; a run without a token has failed."""
    command = [BIN / "serving_load", "--server", address, "--model", model, "--warm-up", "1", "--duration", seconds,
               "--json", *flags]
    seen = json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout)
    if seen["tokens_per_second"] == 0:
        raise subprocess.CalledProcessError(1, command, stderr=f"only errors: {seen['errors']}")
    if seen["errors"]:
        print(f"(errors at {address}: {seen['errors']})", file=sys.stderr)
    return seen


class Line:
    """Of a table: `measure()` is one round, which returns at least tokens_per_second, or fails."""

    def __init__(self, label, measure):
        self.label, self.measure, self.rounds = label, measure, []

    def run(self):
        try:
            self.rounds.append(self.measure())
        except subprocess.CalledProcessError as failed:
            print(f"(a round of {self.label} failed: {failed.stderr.strip().splitlines()[-1]})", flush=True)

    def rate(self):
        return statistics.median(one["tokens_per_second"] for one in self.rounds)

    def milliseconds(self, what, share):
        values = [one[what][share] for one in self.rounds if one.get(what, {}).get("count")]
        return f"{1000 * statistics.median(values):.2f}" if values else ""


def of_derind(label, derind, seconds, streams, model="f32", *flags):
    return Line(label, lambda: drive(derind.address, model, seconds, "--streams", streams, "--output", OUTPUT, *flags))


def engine_alone(label, options, batch, precision):
    worker = Worker(label, [str(BIN / "derin_worker"), "step", "--batch", str(batch), "--precision", precision,
                            "--threads", str(options.threads)])
    refusal = worker.ready()
    if refusal is not None:
        raise Unavailable(refusal)

    def measure():
        worker.measure(options.seconds)
        return {"tokens_per_second": worker.rates[-1]}

    return Line(label, measure)


def by_load_generator(label, triton, seconds, streams):
    def measure():
        triton.revive()
        return drive(triton.address, "step", seconds, "--protocol", "triton", "--streams", streams, "--output", OUTPUT)

    return Line(label, measure)


def by_tritonclient(label, triton, options, streams):
    def measure():
        triton.revive()
        command = [options.peers / "triton/bin/python", HERE / "triton_client_load.py", "--server", triton.address,
                   "--model", "step", "--streams", streams, "--output", OUTPUT, "--warm-up", "1", "--duration",
                   options.seconds]
        return json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True,
                                         text=True).stdout)

    return Line(label, measure)


def rows_of(streams, servers, options, precisions):
    """The lines of one table, for those servers that there are."""
    derind, seconds = servers["derind"], options.seconds
    lines = [of_derind("derind f32", derind, seconds, streams)]
    lines.append(of_derind("derind f32, per token", derind, seconds, streams, "f32", "--per-token"))
    if "bf16" in precisions:
        lines.append(of_derind("derind bf16", derind, seconds, streams, "bf16"))
    lines += [engine_alone(f"engine alone in process, {precision}", options, streams, precision)
              for precision in precisions]
    triton = servers.get("Triton")
    if triton:
        lines.append(by_load_generator("Triton", triton, seconds, streams))
        lines.append(by_tritonclient("Triton, tritonclient", triton, options, streams))
    aio = servers.get(f"grpc.aio {streams}")
    if aio:
        lines.append(Line("grpc.aio + PyTorch", lambda: drive(aio.address, "step", seconds, "--streams", streams,
                                                              "--output", OUTPUT)))
    return lines


def report(title, lines):
    first = lines[0].rate() if lines[0].rounds else float("nan")
    print(f"\n{title}\n\n| | tokens/s | rounds from - to | derind f32 is | first token p50, p99 (ms) | gap p50, p99 (ms) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for line in lines:
        if not line.rounds:
            print(f"| {line.label} | every round failed | | | | |")
            continue
        rates = [one["tokens_per_second"] / 1e3 for one in line.rounds]
        latencies = [", ".join(line.milliseconds(what, share) for share in ("p50", "p99")).strip(", ")
                     for what in ("first_token_seconds", "gap_seconds")]
        print(f"| {line.label} | {line.rate() / 1e3:.2f}k | {min(rates):.2f}k - {max(rates):.2f}k | "
              f"{first / line.rate():.2f} x | {' | '.join(latencies)} |")
    sys.stdout.flush()


def report_latency(title, what, rounds, columns=("p50", "p90", "p99", "p99.9", "max")):
    print(f"\n{title}\n\n| round | tokens/s | {' | '.join(columns)} (ms) |\n| --- | ---: |{' ---: |' * len(columns)}")
    for number, one in enumerate(rounds, 1):
        print(f"| {number} | {one['tokens_per_second'] / 1e3:.2f}k | "
              + " | ".join(f"{1000 * one[what][column]:.2f}" for column in columns) + " |")
    sys.stdout.flush()


def open_loop(derind, options):
    """A thousand clients, each with its session, whose texts are due at half the rate that saturates the server."""
    rounds, saturated = [], []
    for _ in range(options.rounds):
        many = ("--streams", MANY, "--output", SHORT_OUTPUT, "--sessions", "keep")
        saturated.append(drive(derind.address, "f32", options.seconds, *many)["tokens_per_second"])
        rate = statistics.median(saturated) / 2 / SHORT_OUTPUT
        rounds.append(drive(derind.address, "f32", options.seconds, *many, "--rate", f"{rate:.1f}"))
    print(f"\n{MANY} closed-loop streams saturate derind at {statistics.median(saturated) / 1e3:.1f}k tokens/s; "
          f"{rounds[-1]['settings'].split(': ', 1)[1]}")
    report_latency("Time to the first token from when it was due", "first_token_seconds", rounds)


class TrainingMeter:
    """Samples what was trained and in what time of the device, to say what training got in any 2 s."""

    def __init__(self, derind):
        self.derind, self.samples, self.over = derind, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.wait(0.1):
            self.samples.append((time.monotonic(), *self.derind.training_so_far()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def windows(self):
        """All of the time, and each 2 s of it, as pairs of samples."""
        for begin in self.samples:
            end = next((one for one in self.samples if one[0] >= begin[0] + 2), None)
            if end:
                yield begin, end

    @staticmethod
    def rate(begin, end):
        """Tokens a second."""
        return (end[1] - begin[1]) / (end[0] - begin[0])

    @staticmethod
    def share(begin, end):
        """Of the time that either had the device."""
        training, generation = end[2] - begin[2], end[3] - begin[3]
        return training / (training + generation)


def beside_training(derind, options):
    derind.call("train", "--corpus", "letters", "--model", "trained", "--max-tokens", "10000", "--epochs", "100000",
                "--detach", "--id", "beside")
    chunkings = {"messages as the server's default has them": (), "a message for each token": ("--per-token",)}
    try:
        time.sleep(2)
        for chunking, flags in chunkings.items():
            rounds, alone, beside, least, shares = [], [], [], [], []
            for _ in range(options.rounds):
                with TrainingMeter(derind) as meter:
                    time.sleep(3)
                alone.append(meter.rate(meter.samples[0], meter.samples[-1]))
                with TrainingMeter(derind) as meter:
                    time.sleep(1)  # the load's warm-up begins
                    rounds.append(drive(derind.address, "f32", max(options.seconds, 5), "--streams", 64, "--output",
                                        OUTPUT, *flags))
                    meter.samples = [one for one in meter.samples if one[0] >= meter.samples[0][0] + 2]
                beside.append(meter.rate(meter.samples[0], meter.samples[-1]))
                least.append(min(meter.rate(*window) for window in meter.windows()))
                shares.append(min(meter.share(*window) for window in meter.windows()))
            report_latency(f"Gap between the messages of 64 streams with a training of the seed recipe beside them; {chunking}",
                           "gap_seconds", rounds)
            base = statistics.median(alone)
            print(f"\nTraining alone {base / 1e3:.1f}k tokens/s; beside the streams {statistics.median(beside) / 1e3:.1f}k "
                  f"({100 * statistics.median(beside) / base:.0f} %), least over any 2 s {min(least) / 1e3:.1f}k "
                  f"({100 * min(least) / base:.0f} %); least share of the device's time over any 2 s "
                  f"{100 * min(shares):.0f} %")
    finally:
        derind.call("jobs", "cancel", "beside")


def start_servers(folder, options):
    servers = {"derind": Derind(folder, options)}
    for name, start in (("Triton", lambda: Triton(folder, options)), ("grpc.aio 1", lambda: Aio(folder, options, 1)),
                        ("grpc.aio 64", lambda: Aio(folder, options, 64))):
        try:
            servers[name] = start()
        except (Unavailable, OSError, StopIteration, subprocess.CalledProcessError) as why:
            print(f"({name} is not measured: {why or type(why).__name__})")
    return servers


def measure(servers, folder, options):
    precisions = ["f32", "bf16"] if has_bf16_products() else ["f32"]
    servers["derind"].publish_models(folder, precisions)
    tables = {streams: rows_of(streams, servers, options, precisions) for streams in (1, 64)}
    if "tables" in options.parts:
        for _ in range(options.rounds):
            for lines in tables.values():
                for line in lines:
                    line.run()
        for streams, lines in tables.items():
            report(f"{streams} stream{'s' if streams > 1 else ''}, closed loop, texts of {OUTPUT} tokens", lines)
    if "open" in options.parts:
        open_loop(servers["derind"], options)
    if "training" in options.parts:
        beside_training(servers["derind"], options)


def prepare(options):
    subprocess.run(["cmake", "--preset", "release", "-DDERIN_TESTS=ON"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "derind", "derin", "derin_worker",
                    "serving_load"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if "tables" in options.parts:
        installed = subprocess.run([str(HERE / "install.sh"), "--serving", str(options.peers)], check=False)
        if installed.returncode != 0:
            print(f"(the peers cannot all be installed: install.sh ended with {installed.returncode})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build/peers", help="where they are installed")
    parser.add_argument("--parts", default="tables,open,training", help="some of tables, open, training")
    options = parser.parse_args()
    prepare(options)
    print(machine(options))
    with tempfile.TemporaryDirectory(prefix="derin-serving-") as name:
        folder = pathlib.Path(name)
        servers = {}
        try:
            servers = start_servers(folder, options) if "tables" in options.parts else {"derind": Derind(folder, options)}
            measure(servers, folder, options)
        finally:
            for server in servers.values():
                server.stop()


if __name__ == "__main__":
    main()
