"""The stages of run.sh, each under a time limit of its own, and what they found: rewritten after each into OUT, as

    results.json         everything
    table.txt            the same to be read
    weight_offsets.json  where cuDNN puts each tensor
    parity.json          each test of the suite, as GoogleTest writes it
    log.txt              what the programs printed
"""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# What the folder does not bring, and the Python package that does.
LIBRARIES = {"libcudnn.so.9": "nvidia.cudnn", "libcublasLt.so.13": "nvidia.cu13"}
NO_DEVICE = 3  # the programs' exit status where they cannot do anything; they say why
# Of the GPU, each with its name in the suite's tests and the tables.
TYPES = ["f32", "tf32", "f16", "bf16"]
# Golden values: so many cells times so many tests, in each type.
GOLDEN_TESTS = 4 * 7 * len(TYPES)

PROOF = str(HERE / "bin/gpu_proof")
# Where cuDNN put each tensor on the GPU that it was first seen on.
OFFSETS = HERE / "golden/cudnn/weight_offsets.json"
# Name, seconds, command; less than ten minutes together.
STAGES = [
    ("facts", 30, [PROOF, "facts"]),
    ("smoke", 30, [PROOF, "smoke"]),
    ("weight offsets", 20, [PROOF, "offsets"]),
    ("parity", 40, [str(HERE / "bin/derin_backend_cuda_device_test")]),
    ("determinism", 70, [PROOF, "determinism"]),
    ("recipe", 50, [PROOF, "recipe", "--text", str(HERE / "data/recipe.txt")]),
    ("training", 60, [PROOF, "training", "--seconds", "0.5"]),
    ("sampling", 30, [PROOF, "sampling", "--seconds", "0.5"]),
    ("serving", 100, [sys.executable, "-B", str(HERE / "serving.py")]),
    ("PyTorch", 110, [sys.executable, "-B", str(HERE / "peer_torch.py"), "--seconds", "0.5"]),
    # Last, since it may leave the GPU in a bad way; it slows the kernels down by orders of magnitude.
    ("memcheck", 50, ["compute-sanitizer", "--tool", "memcheck", "--error-exitcode", "9", PROOF, "kernels"]),
]


def library_folders():
    """Where each of LIBRARIES is: as a Python installation ships it, else in the toolkit's folder; None where it is not."""
    found = {}
    for library, package in LIBRARIES.items():
        folders = []
        try:
            spec = importlib.util.find_spec(package)
            folders += [pathlib.Path(place) / "lib" for place in spec.submodule_search_locations or []] if spec else []
        except ModuleNotFoundError:
            pass
        folders += [pathlib.Path("/usr/local/cuda/lib64"), pathlib.Path("/usr/local/cuda/lib")]
        found[library] = next((folder for folder in folders if (folder / library).exists()), None)
    return found


def run(command, environment, limit):
    """The exit status (None: beyond its limit), and what was printed until then."""
    try:
        return start(command, environment, limit)
    except OSError as error:
        return 127, "", str(error)


def start(command, environment, limit):
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=limit)
            return process.returncode, out, err
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return None, out, err


def documents(text):
    """The JSON objects among the lines of `text`."""
    found = []
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


def judge(status, found, err, limit):
    """A stage's status, `passed`, `failed` or `not run`, and the reason."""
    errors = [line["error"] for line in found if "error" in line]
    if status is None:
        return "failed", f"took more than its {limit} s"
    if status == NO_DEVICE:
        return "not run", errors[0] if errors else err.strip()
    if status < 0:
        return "failed", f"ended by signal {-status}"
    if status != 0:
        return "failed", errors[0] if errors else (err.strip().splitlines() or [f"exit status {status}"])[-1]
    if not found:
        return "failed", "found nothing"
    if not all(line.get("passed") for line in found):
        return "failed", "a finding is not as wanted"
    return "passed", ""


def judge_parity(status, path, limit, device):
    """As judge, for the suite, whose tests of the GPU are not there where there is none."""
    if status is None:
        return "failed", f"took more than its {limit} s"
    if not path.exists():
        return "failed", f"exit status {status}, and no {path.name}"
    tests = [test for suite in json.loads(path.read_text())["testsuites"] for test in suite["testsuite"]]
    on_gpu = [test for test in tests if "/cuda_" in test["name"]]
    failed = [f"{test['classname']}.{test['name']}" for test in tests if test.get("failures")]
    if failed or status != 0:
        return "failed", f"{len(failed)} of {len(tests)} tests failed: {', '.join(failed) or f'exit status {status}'}"
    if not on_gpu:
        return "not run", device or "no device: the suite saw none"
    golden = sum("Golden" in test["classname"] for test in on_gpu)
    if golden != GOLDEN_TESTS:
        return "failed", f"got {golden} tests of golden values, wanted {GOLDEN_TESTS}"
    return "passed", f"{len(tests)} tests, {len(on_gpu)} of them on the GPU, {golden} of golden values"


def as_first_seen(found, golden):
    """judge's answer on the places that cuDNN gives each tensor: those of the golden file. They may differ in another version of
    cuDNN, which is no fault, but one to look at."""
    def places(stacks):
        return {(one["cell"], one["layers"], one["hidden"], one["vocabulary"]): (one["weight_space_elements"], one["runs"])
                for one in stacks}

    now, then = places(found["stacks"]), places(golden["stacks"])
    differ = sorted(key for key in then if now.get(key) != then[key])
    if not differ:
        return "passed", f"as cuDNN {golden['cudnn']} had them on {golden['device']}"
    if found["cudnn"] == golden["cudnn"]:
        return "failed", f"not as on {golden['device']}: {differ}"
    return "passed", f"not as in cuDNN {golden['cudnn']}: {differ}"


def nvidia_smi():
    query = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,power.limit"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv"], capture_output=True, text=True, timeout=20)
        return (done.stdout + done.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def speeds(results, stage, what, precision):
    """Tokens per second by the row's name."""
    found = results["stages"].get(stage, {}).get("findings", [])
    return {(line["layers"], line["hidden"], line["batch"]): line["tokens_per_second"]
            for line in found if line.get("what") == what and line.get("precision") == precision and "tokens_per_second" in line}


def choices(results, precision):
    """The algorithm of each row, by the row's name."""
    found = results["stages"].get("training", {}).get("findings", [])
    return {(line["layers"], line["hidden"], line["batch"]): line["choice"]
            for line in found if line.get("precision") == precision and "choice" in line}


def speed_table(results, title, precision, columns):
    """Rows of tokens per second under `columns`, (heading, stage, what), and the first over the last."""
    series = [speeds(results, stage, what, precision) for _, stage, what in columns]
    chosen = choices(results, precision) if columns[0][1] == "training" else {}
    lines = ["", title, f"{'':>16}" + "".join(f"{heading:>22}" for heading, _, _ in columns) + f"{'first over last':>18}"]
    for row in sorted(set().union(*series), key=lambda row: (row[2], row[0] * row[1] ** 2)):
        values = [one.get(row) for one in series]
        ratio = f"{values[0] / values[-1]:.2f}" if values[0] and values[-1] else "-"
        lines.append(f"{row[0]} x {row[1]}, {row[2]}".rjust(16) +
                     "".join(f"{value:>22,.0f}" if value else f"{'-':>22}" for value in values) + f"{ratio:>18}  {chosen.get(row, '')}".rstrip())
    return lines if len(lines) > 3 else []


def load_table(results):
    """What the whole server made of so many streams at once, the load on the same machine."""
    found = [line for line in results["stages"].get("serving", {}).get("findings", []) if "served_tokens_per_second" in line]
    lines = ["", "serving, LSTM, tokens/s (model, streams)"]
    lines += [f"{line['model']}, {line['streams']}".rjust(16) + f"{line['served_tokens_per_second']:>22,.0f}" +
              f"   first token p99 {1e3 * line['first_token_p99_seconds']:.1f} ms" for line in found]
    lines += [f"beside a training, f32, {line['streams']} streams: step gap p99.9 {1e3 * line['step_gap_p999_seconds']:.1f} ms, "
              f"the training at {100 * line['training_share']:.0f} % of its speed"
              for line in results["stages"].get("serving", {}).get("findings", []) if "training_share" in line]
    return lines if found else []


def table(results):
    lines = [f"device: {results['device']}", ""]
    lines += [f"{library}: {place or 'not found'}" for library, place in results["libraries"].items()]
    lines.append("")
    for name, _, _ in STAGES:
        stage = results["stages"].get(name, {"status": "not run", "reason": "not reached", "seconds": 0})
        lines.append(f"{name:<16}{stage['status']:<9}{stage['seconds']:>7.1f} s  {stage['reason']}")
    for precision in TYPES:
        lines += speed_table(results, f"training, LSTM {precision}, tokens/s (layers x hidden, batch)", precision, [
            ("Derin", "training", "training with graph"), ("Derin without graph", "training", "training without graph"),
            ("PyTorch eager", "PyTorch", "training eager"), ("PyTorch CUDA graphs", "PyTorch", "training with graph")])
    for precision in TYPES:
        lines += speed_table(results, f"sampling, LSTM {precision}, tokens/s (layers x hidden, batch)", precision, [
            ("Derin", "sampling", "sampling by 1"), ("Derin, 8 at a time", "sampling", "sampling by 8"),
            ("PyTorch eager", "PyTorch", "sampling eager"),
        ("PyTorch CUDA graphs", "PyTorch", "sampling with graph")])
    lines += load_table(results)
    return "\n".join(lines) + "\n"


def write(out, results):
    for name, text in [("results.json", json.dumps(results, indent=1) + "\n"), ("table.txt", table(results))]:
        beside = out / f".{name}"
        beside.write_text(text)
        beside.replace(out / name)


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for name in ("parity.json", "weight_offsets.json", "log.txt"):
        (out / name).unlink(missing_ok=True)
    folders = library_folders()
    missing = [library for library, folder in folders.items() if folder is None]
    paths = [str(folder) for folder in dict.fromkeys(folders.values()) if folder]
    environment = dict(os.environ)
    before = [environment["LD_LIBRARY_PATH"]] if environment.get("LD_LIBRARY_PATH") else []
    environment["LD_LIBRARY_PATH"] = ":".join(paths + before)
    environment["DERIN_GOLDEN"] = str(HERE / "golden")
    results = {
        "device": "no device",
        "libraries": {library: str((folder / library).resolve()) if folder else None for library, folder in folders.items()},
        "nvidia_smi": nvidia_smi(),
        "stages": {},
    }
    no_device = ""
    for name, limit, command in STAGES:
        started = time.monotonic()
        findings = []
        if missing and name != "PyTorch":
            status, reason = "not run", f"{' and '.join(missing)} not found"
        else:
            if name == "parity":
                command = [*command, f"--gtest_output=json:{out / 'parity.json'}"]
            own = dict(os.environ) if name == "PyTorch" else environment
            code, printed, err = run(command, own, limit)
            with (out / "log.txt").open("a") as log:
                log.write(f"== {name}: exit status {code}\n{printed}{err}\n")
            if name == "parity":
                status, reason = judge_parity(code, out / "parity.json", limit, no_device)
            else:
                findings = documents(printed)
                status, reason = judge(code, findings, err, limit)
            if name == "memcheck" and code == 127:
                status, reason = "not run", "no compute-sanitizer in PATH"
        if name == "facts":
            no_device = reason if status == "not run" else ""
            results["device"] = next((line["device"] for line in findings if "device" in line), "no device")
        if name == "weight offsets" and status == "passed":
            (out / "weight_offsets.json").write_text(
                json.dumps({"device": results["device"], "library": results["libraries"]["libcudnn.so.9"], **findings[0]}, separators=(",", ":")) + "\n")
            status, reason = as_first_seen(findings[0], json.loads(OFFSETS.read_text()))
            findings = []
        seconds = round(time.monotonic() - started, 1)
        results["stages"][name] = {"status": status, "reason": reason, "seconds": seconds, "findings": findings}
        write(out, results)
        print(f"{name}: {status} ({seconds} s) {reason}", flush=True)
    print()
    print((out / "table.txt").read_text(), end="")
    statuses = {stage["status"] for stage in results["stages"].values()}
    sys.exit(1 if "failed" in statuses else 2 if "not run" in statuses else 0)


if __name__ == "__main__":
    main()
