#!/usr/bin/env python3
"""Makes the golden files beside this script with PyTorch in double precision (any version since 1.13).

    python3 tests/golden/make_golden.py

One file for each cell: 2 layers of odd sizes, from a state that is not zero: logits, loss, every gradient by PyTorch's name, the
state after, and the losses of ten steps of each optimiser with clipping, the state carried from step to step. Then once more
with dropout between the layers, by a mask of Philox4x32-10: logits, loss, gradients and state after. And twice with a learned
embedding, which the head shares the second time: the same, and the parameters that are not those of the one-hot network.
"""

import json
import pathlib

import torch

STEPS, BATCH, HIDDEN, LAYERS, VOCABULARY = 5, 3, 7, 2, 11
SGD = {"lr": 0.5, "clip": 0.25}
MOMENTUM = {"lr": 0.05, "clip": 0.25, "momentum": 0.875}
ADAM = {"lr": 0.01, "clip": 1.0}
ADAMW = {"lr": 0.01, "clip": 1.0, "weight_decay": 0.125}
DROPOUT = {"share": 0.375, "seed": 0x123456789abcdef0, "step": (5 << 32) + 7}
EMBEDDING = 5
CELLS = {
    "vanilla-tanh": lambda inputs: torch.nn.RNN(inputs, HIDDEN, LAYERS, nonlinearity="tanh"),
    "vanilla-relu": lambda inputs: torch.nn.RNN(inputs, HIDDEN, LAYERS, nonlinearity="relu"),
    "gru": lambda inputs: torch.nn.GRU(inputs, HIDDEN, LAYERS),
    "lstm": lambda inputs: torch.nn.LSTM(inputs, HIDDEN, LAYERS),
}


def round_to_f32(tensor):
    """Values that f32 and f64 backends can both take exactly."""
    return tensor.to(torch.float32).to(torch.float64)


class LanguageModel(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.rnn = CELLS[cell](VOCABULARY)
        self.head = torch.nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, tokens, state):
        one_hot = torch.nn.functional.one_hot(tokens, VOCABULARY).to(torch.float64)
        top, state = self.rnn(one_hot, state)
        return self.head(top), state


class EmbeddedLanguageModel(torch.nn.Module):
    def __init__(self, cell, width, tied):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, width)
        self.rnn = CELLS[cell](width)
        self.head = torch.nn.Linear(HIDDEN, VOCABULARY)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens, state):
        top, state = self.rnn(self.embedding(tokens), state)
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


def outcome(tensor):
    """The same to 13 digits, a thousand times finer than what they are compared with."""
    return [float(f"{value:.13g}") for value in flat(tensor)]


def stacked(state):
    """[S, L, B, H]."""
    return torch.stack(state) if isinstance(state, tuple) else state


def philox(counter, key):
    """Philox4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011."""
    low = 0xffffffff
    key = [key & low, key >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [second >> 32 ^ counter[1] ^ key[0], second & low, first >> 32 ^ counter[3] ^ key[1], first & low]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return counter


def dropout_factors(layer):
    """What the output [T, B, H] of a layer is multiplied by on its way up."""
    step, share = DROPOUT["step"], DROPOUT["share"]
    factors = []
    for element in range(STEPS * BATCH * HIDDEN):
        words = philox([element // 4, step & 0xffffffff, step >> 32 << 8 | layer, 1], DROPOUT["seed"])
        kept = (words[element % 4] >> 8) / 2**24 >= share
        factors.append(1 / (1 - share) if kept else 0.0)
    return torch.tensor(factors, dtype=torch.float64).reshape(STEPS, BATCH, HIDDEN)


def layer_of(rnn, layer):
    """One layer alone, with the same parameters."""
    inputs = VOCABULARY if layer == 0 else HIDDEN
    kind = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, torch.nn.RNN) else {}
    alone = type(rnn)(inputs, HIDDEN, 1, **kind).double()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        delattr(alone, f"{name}_l0")
        setattr(alone, f"{name}_l0", getattr(rnn, f"{name}_l{layer}"))
    return alone


def with_dropout(model, tokens, targets, state):
    model.zero_grad()
    x = torch.nn.functional.one_hot(tokens, VOCABULARY).to(torch.float64)
    states = []
    for layer in range(LAYERS):
        one = tuple(s[layer:layer + 1] for s in state) if isinstance(state, tuple) else state[layer:layer + 1]
        x, after = layer_of(model.rnn, layer)(x, one)
        states.append(after)
        if layer + 1 < LAYERS:
            x = x * dropout_factors(layer)
    logits = model.head(x)
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1))
    loss.backward()
    state_out = (tuple(torch.cat(parts) for parts in zip(*states)) if isinstance(state, tuple)
                 else torch.cat(states))
    # Numbers beyond 2^53 as text, which every reader of JSON takes whole.
    return {"share": DROPOUT["share"], "seed": str(DROPOUT["seed"]), "step": str(DROPOUT["step"]),
            "logits": outcome(logits), "loss": loss.item(), "state_out": outcome(stacked(state_out)),
            "gradients": {name: outcome(p.grad) for name, p in model.named_parameters()}}


def with_embedding(cell, initial, tied, tokens, targets, state):
    torch.manual_seed(21)
    model = EmbeddedLanguageModel(cell, HIDDEN if tied else EMBEDDING, tied).double()
    own = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in initial and initial[name].shape == parameter.shape:
                parameter.copy_(initial[name])
            else:
                parameter.copy_(round_to_f32(parameter))
                own[name] = flat(parameter)
    loss, logits, state_out = loss_of(model, tokens, targets, state)
    loss.backward()
    return {"embedding": model.embedding.embedding_dim, "parameters": own,
            "logits": outcome(logits), "loss": loss.item(), "state_out": outcome(stacked(state_out)),
            "gradients": {name: outcome(p.grad) for name, p in model.named_parameters()}}


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
        "state_in": flat(stacked(state)),
        "parameters": {name: flat(p) for name, p in initial.items()},
        "logits": outcome(logits), "loss": loss.item(), "state_out": outcome(stacked(state_out)),
        "gradients": {name: outcome(p.grad) for name, p in model.named_parameters()},
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
    model.load_state_dict(initial)
    golden["dropout"] = with_dropout(model, tokens, targets, state)
    golden["embedding"] = with_embedding(cell, initial, False, tokens, targets, state)
    golden["tied"] = with_embedding(cell, initial, True, tokens, targets, state)
    return golden


def main():
    for cell in CELLS:
        path = pathlib.Path(__file__).parent / f"{cell}.json"
        path.write_text(json.dumps(make(cell), indent=0, separators=(",", ":")) + "\n")
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
