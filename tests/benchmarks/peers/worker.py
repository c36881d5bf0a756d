"""What the workers share: the options that describe the work, and the protocol of README.md."""

import argparse
import math
import pathlib
import sys
import time

UNSUPPORTED = 3
WARM_UP_SECONDS = 0.5
WARM_UP_UNITS = 5


def parse_options(description, **more):
    """The options of all workers and those in `more`, name=default: positive numbers too."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--cell", choices=("lstm", "gru", "vanilla"), default="lstm")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    # The seed recipe's shape.
    numbers = dict(layers=2, hidden=256, vocabulary=28, batch=32, threads=2, **more)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=positive, default=default)
    options = parser.parse_args()
    if options.precision == "bf16" and not has_bf16_products():
        unsupported("bf16: this processor has no bf16 products, and emulating them says nothing")
    return options


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def has_bf16_products():
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def unsupported(what):
    """Ends the worker: this peer cannot do the work that was asked for."""
    print(f"unsupported: {what}", file=sys.stderr)
    sys.exit(UNSUPPORTED)


def serve(unit, tokens, check=lambda: None):
    """Warms up, then answers each line `run SECONDS` until the end of standard input.

    `unit()` is the smallest piece of work, and worth `tokens`. `check()` raises if what the units
    computed is wrong; it is called between the timed stretches.
    """
    started = time.perf_counter()
    units = 0
    while units < WARM_UP_UNITS or time.perf_counter() - started < WARM_UP_SECONDS:
        unit()
        units += 1
    check()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = parse_request(line)
        units, elapsed = 0, 0.0
        started = time.perf_counter()
        while units == 0 or elapsed < seconds:
            unit()
            units += 1
            elapsed = time.perf_counter() - started
        check()
        print(units * tokens, f"{elapsed:.6f}", flush=True)


def parse_request(line):
    try:
        command, number = line.split()
        seconds = float(number)
        if command == "run" and seconds >= 0 and math.isfinite(seconds):
            return seconds
    except ValueError:
        pass
    sys.exit(f"got '{line.strip()}', want 'run SECONDS'")
