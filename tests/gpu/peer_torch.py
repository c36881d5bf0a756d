"""PyTorch does what gpu_proof's stages `training` and `sampling` do, eager and on CUDA graphs: training in f32 without TF32,
in TF32 and by autocast in f16 (with a constant loss scale) and bf16, sampling in f32.

One JSON document a line, as gpu_proof prints them; exit status 3 where there is no GPU or no PyTorch.
"""

import argparse
import json
import math
import statistics
import sys
import time

NO_DEVICE = 3
VOCABULARY, BATCH, STEPS = 28, 32, 35
PRECISIONS = ["f32", "tf32", "f16", "bf16"]
LOSS_SCALE = 65536.0  # of f16
SHAPES = [(2, 256), (1, 1024), (3, 512), (2, 2048)]
SAMPLING_BATCHES = [1, 32, 256, 1024]
# Minibatches that are drawn beforehand, so that no time goes into random numbers.
MINIBATCHES = 64
STRETCHES = 5
WARM_UP_UNITS = 11


def give_up(why):
    print(json.dumps({"passed": False, "error": why}), flush=True)
    sys.exit(NO_DEVICE)


try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as missing:
    give_up(f"no PyTorch: {missing}")


class Model:
    def __init__(self, layers, hidden, batch, device):
        self.rnn = nn.LSTM(VOCABULARY, hidden, layers).to(device)
        self.head = nn.Linear(hidden, VOCABULARY).to(device)
        self.parameters = [*self.rnn.parameters(), *self.head.parameters()]
        # Rows of it are the one-hot input.
        self.identity = torch.eye(VOCABULARY, device=device)
        self.state = tuple(torch.zeros(layers, batch, hidden, device=device) for _ in range(2))

    def keep(self, state):
        """Into the same memory, so that a graph finds it there."""
        for old, new in zip(self.state, state):
            old.copy_(new.detach())


class Training(Model):
    """Forward, mean cross entropy, backward, clip at 1, SGD, state carried on."""

    tokens_of_unit = BATCH * STEPS

    def __init__(self, layers, hidden, device, precision):
        super().__init__(layers, hidden, BATCH, device)
        narrow = {"f16": torch.float16, "bf16": torch.bfloat16}.get(precision)
        self.cast = lambda: torch.autocast(device, narrow or torch.bfloat16, enabled=narrow is not None, cache_enabled=False)
        self.scale = LOSS_SCALE if precision == "f16" else 1.0
        self.optimizer = torch.optim.SGD(self.parameters, lr=2.0, fused=True)
        self.text = torch.randint(VOCABULARY, (MINIBATCHES, STEPS + 1, BATCH), device=device)
        self.tokens = self.text[0].clone()
        self.next = 0
        self.loss = None

    def feed(self):
        self.tokens.copy_(self.text[self.next])
        self.next = (self.next + 1) % MINIBATCHES

    def body(self):
        with self.cast():
            hidden, state = self.rnn(self.identity[self.tokens[:-1]], self.state)
            self.loss = functional.cross_entropy(self.head(hidden).flatten(0, 1), self.tokens[1:].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        if self.scale == 1:
            self.loss.backward()
        else:
            (self.loss * self.scale).backward()
            torch._foreach_mul_([one.grad for one in self.parameters], 1 / self.scale)
        nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        self.keep(state)

    def check(self):
        if not math.isfinite(self.loss.item()):
            raise ArithmeticError(f"the loss is {self.loss.item()}")


class Sampling(Model):
    """One step of `batch` sequences: the stack, the head and a draw from the softmax, which comes to the host."""

    def __init__(self, layers, hidden, batch, device):
        super().__init__(layers, hidden, batch, device)
        self.tokens_of_unit = batch
        self.tokens = torch.ones(batch, dtype=torch.int64, device=device)

    def feed(self):
        # Where the caller has the tokens; this also waits for the step.
        self.tokens.cpu()

    @torch.no_grad()
    def body(self):
        hidden, state = self.rnn(self.identity[self.tokens].unsqueeze(0), self.state)
        probabilities = functional.softmax(self.head(hidden[0]), dim=-1)
        self.tokens.copy_(torch.multinomial(probabilities, 1).flatten())
        self.keep(state)

    def check(self):
        if not 0 <= int(self.tokens.min()) <= int(self.tokens.max()) < VOCABULARY:
            raise ArithmeticError(f"the tokens are {self.tokens}")


def eager(work):
    def unit():
        work.feed()
        work.body()

    return unit


def on_graph(work):
    # As PyTorch's documentation has it: warm up on another stream, then capture.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_UNITS):
            eager(work)()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work.body()

    def unit():
        work.feed()
        graph.replay()

    return unit


def tokens_per_second(unit, tokens, seconds, synchronize):
    """The median, least and most of STRETCHES stretches of `seconds` together."""

    def stretch(units):
        synchronize()
        started = time.perf_counter()
        for _ in range(units):
            unit()
        synchronize()
        return time.perf_counter() - started

    stretch(WARM_UP_UNITS)
    units = max(10, math.ceil(seconds / STRETCHES / (stretch(WARM_UP_UNITS) / WARM_UP_UNITS)))
    rates = [units * tokens / stretch(units) for _ in range(STRETCHES)]
    return {"tokens_per_second": statistics.median(rates), "least": min(rates), "most": max(rates)}


def measure(what, make, row, seconds):
    line = {"what": what, "cell": "lstm", **row}
    try:
        torch.manual_seed(1)
        work = make()
        unit = (on_graph if "graph" in what else eager)(work)
        line.update(tokens_per_second(unit, work.tokens_of_unit, seconds, torch.cuda.synchronize))
        work.check()
        line["passed"] = True
    except (RuntimeError, ArithmeticError) as error:
        line.update(passed=False, error=str(error))
    print(json.dumps(line), flush=True)
    return line["passed"]


def allow_tf32(allow):
    torch.backends.cuda.matmul.allow_tf32 = allow
    torch.backends.cudnn.allow_tf32 = allow


def main():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--type", choices=PRECISIONS, help="the only one that is trained in")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        give_up(f"no device: PyTorch {torch.__version__} sees no GPU")
    print(json.dumps({"what": "versions", "passed": True, "torch": torch.__version__, "cuda": torch.version.cuda,
                      "cudnn": torch.backends.cudnn.version(), "gpu": torch.cuda.get_device_name()}), flush=True)
    passed = True
    for precision in [options.type] if options.type else PRECISIONS:
        allow_tf32(precision == "tf32")
        for how in ("eager", "with graph"):
            for layers, hidden in SHAPES:
                row = {"layers": layers, "hidden": hidden, "batch": BATCH, "precision": precision}
                passed &= measure(f"training {how}", lambda: Training(layers, hidden, "cuda", precision), row, options.seconds)
    allow_tf32(False)
    for how in ("eager", "with graph"):
        for batch in SAMPLING_BATCHES:
            row = {"layers": 2, "hidden": 256, "batch": batch, "precision": "f32"}
            passed &= measure(f"sampling {how}", lambda: Sampling(2, 256, batch, "cuda"), row, options.seconds)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
