#!/usr/bin/env python3
"""Makes the golden files beside this script with PyTorch in double precision (any version since 1.13).

    python3 tests/golden/make_golden.py

One file for each cell: 2 layers of odd sizes, from a state that is not zero: logits, loss, every gradient by PyTorch's name, the
state after, and the losses of ten steps of each optimiser with clipping, the state carried from step to step.
"""

import json
import pathlib

import torch

STEPS, BATCH, HIDDEN, LAYERS, VOCABULARY = 5, 3, 7, 2, 11
SGD = {"lr": 0.5, "clip": 0.25}
MOMENTUM = {"lr": 0.05, "clip": 0.25, "momentum": 0.875}
ADAM = {"lr": 0.01, "clip": 1.0}
ADAMW = {"lr": 0.01, "clip": 1.0, "weight_decay": 0.125}
CELLS = {
    "vanilla-tanh": lambda: torch.nn.RNN(VOCABULARY, HIDDEN, LAYERS, nonlinearity="tanh"),
    "vanilla-relu": lambda: torch.nn.RNN(VOCABULARY, HIDDEN, LAYERS, nonlinearity="relu"),
    "gru": lambda: torch.nn.GRU(VOCABULARY, HIDDEN, LAYERS),
    "lstm": lambda: torch.nn.LSTM(VOCABULARY, HIDDEN, LAYERS),
}


def round_to_f32(tensor):
    """Values that f32 and f64 backends can both take exactly."""
    return tensor.to(torch.float32).to(torch.float64)


class LanguageModel(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.rnn = CELLS[cell]()
        self.head = torch.nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, tokens, state):
        one_hot = torch.nn.functional.one_hot(tokens, VOCABULARY).to(torch.float64)
        top, state = self.rnn(one_hot, state)
        return self.head(top), state


def loss_of(model, tokens, targets, state):
    logits, state = model(tokens, state)
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, VOCABULARY), targets.reshape(-1)), logits, state


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def losses_of_training(model, optimizer, clip, tokens, targets, state):
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss, _, state = loss_of(model, tokens, targets, state)
        state = detached(state)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def flat(tensor):
    return tensor.detach().reshape(-1).tolist()


def stacked(state):
    """[S, L, B, H], flat."""
    return flat(torch.stack(state) if isinstance(state, tuple) else state)


def make(cell):
    torch.manual_seed(20)
    model = LanguageModel(cell).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(round_to_f32(parameter))
    initial = {name: p.detach().clone() for name, p in model.named_parameters()}
    tokens = torch.randint(VOCABULARY, (STEPS, BATCH))
    targets = torch.randint(VOCABULARY, (STEPS, BATCH))
    h, c = (round_to_f32(torch.rand(LAYERS, BATCH, HIDDEN, dtype=torch.float64) - 0.5)
            for _ in range(2))
    state = (h, c) if cell == "lstm" else h

    loss, logits, state_out = loss_of(model, tokens, targets, state)
    loss.backward()
    golden = {
        "torch": torch.__version__,
        "cell": cell,
        "steps": STEPS, "batch": BATCH, "hidden": HIDDEN, "layers": LAYERS,
        "vocabulary": VOCABULARY,
        "tokens": flat(tokens), "targets": flat(targets),
        "state_in": stacked(state),
        "parameters": {name: flat(p) for name, p in initial.items()},
        "logits": flat(logits), "loss": loss.item(), "state_out": stacked(state_out),
        "gradients": {name: flat(p.grad) for name, p in model.named_parameters()},
    }
    for name, settings, make_optimizer in (
            ("sgd", SGD, lambda p: torch.optim.SGD(p, lr=SGD["lr"])),
            ("momentum", MOMENTUM, lambda p: torch.optim.SGD(
                p, lr=MOMENTUM["lr"], momentum=MOMENTUM["momentum"])),
            ("adam", ADAM, lambda p: torch.optim.Adam(p, lr=ADAM["lr"])),
            ("adamw", ADAMW, lambda p: torch.optim.AdamW(
                p, lr=ADAMW["lr"], weight_decay=ADAMW["weight_decay"]))):
        model.load_state_dict(initial)
        losses = losses_of_training(model, make_optimizer(model.parameters()), settings["clip"],
                                    tokens, targets, state)
        golden[name] = {**settings, "losses": losses}
    return golden


def main():
    for cell in CELLS:
        path = pathlib.Path(__file__).parent / f"{cell}.json"
        path.write_text(json.dumps(make(cell), indent=0, separators=(",", ":")) + "\n")
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
