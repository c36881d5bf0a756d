#!/usr/bin/env python3
"""Does Derin learn what PyTorch learns? One text, one network, one schedule, as many steps: held-out loss of both.

    quality_side_by_side.py TEXT [--epochs 3] [--out FOLDER]

A 2 x 256 LSTM on characters, batches of 32 times 35, the state carried, Adam at 0.002 on a cosine, clip 1; the last tenth of
the text is held out and measured after each epoch, in 32 rows from zero states. Both begin with the same weights and see the same
windows, so that what is left between the curves is arithmetic: from weights of its own, where on the plateau of the first hundred
steps a training sets off moves the end by some per cent. Any PyTorch since 1.13 does; one without a fast BLAS takes an hour.
"""

import json
import math
import pathlib
import struct
import sys
import tempfile

import torch
from torch import nn
from torch.nn import functional

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path += [str(ROOT / "deploy" / "recipes"), str(ROOT / "tests" / "golden")]
import make_golden  # noqa: E402
import recipe  # noqa: E402

BATCH, STEPS, LAYERS, RATE, HELD_OUT, SEED = 32, 35, 2, 0.002, 0.1, 1
PARTITION = 3  # the purpose of a random number, its counter's last word


class Model(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.vocabulary = vocabulary
        self.rnn = nn.LSTM(vocabulary, hidden, LAYERS)
        self.head = nn.Linear(hidden, vocabulary)

    def loss(self, tokens, targets, state):
        """Of tokens and targets [T, B]: the sum over them, and the state after."""
        top, state = self.rnn(functional.one_hot(tokens, self.vocabulary).float(), state)
        logits = self.head(top).flatten(0, 1)
        return functional.cross_entropy(logits, targets.flatten(), reduction="sum"), state


def rows_of(tokens, length, rows=BATCH):
    """[length, rows], each column a contiguous part."""
    return tokens[:length * rows].view(rows, length).t()


def windows(tokens, offset):
    """Inputs and targets of one epoch, in order; what does not fill a window at the end is left out."""
    length = (len(tokens) - offset - 1) // BATCH
    inputs, targets = rows_of(tokens[offset:], length), rows_of(tokens[offset + 1:], length)
    for start in range(0, length - STEPS + 1, STEPS):
        yield inputs[start:start + STEPS], targets[start:start + STEPS]


@torch.no_grad()
def held_out_loss(model, tokens):
    rows = min(max((len(tokens) - 1) // STEPS, 1), BATCH)
    length = (len(tokens) - 1) // rows
    inputs, targets = rows_of(tokens, length, rows), rows_of(tokens[1:], length, rows)
    total, state = 0.0, None
    for start in range(0, length, STEPS):
        loss, state = model.loss(inputs[start:start + STEPS], targets[start:start + STEPS], state)
        total += loss.item()
    return total / (length * rows)


def offset_of(epoch):
    """Where Derin's windows of an epoch begin."""
    return make_golden.philox([epoch, 0, 0, PARTITION], SEED)[0] * STEPS >> 32


def read_model(path):
    """The tokens' characters, from 1 on, and the tensors of a file that derin wrote."""
    content = path.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:begin])
    characters = json.loads(header.pop("__metadata__")["derin.vocabulary"])
    return characters, {
        name: torch.frombuffer(bytearray(content[begin + tensor["data_offsets"][0]:begin + tensor["data_offsets"][1]]),
                               dtype=torch.float32).reshape(tensor["shape"])
        for name, tensor in header.items()}


def train(text, start, hidden, steps):
    """A line of (step, held-out perplexity) after each epoch, and one at the end."""
    characters, tensors = read_model(start)
    number = {character: token for token, character in enumerate(characters, 1)}
    tokens = torch.tensor([number[character] for character in text])
    cut = len(tokens) - int(len(tokens) * HELD_OUT)
    model = Model(1 + len(characters), hidden)
    model.load_state_dict(tensors)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    curve, step, epoch = [], 0, 0
    while step < steps:
        state = None
        for inputs, targets in windows(tokens[:cut], offset_of(epoch)):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 + math.cos(math.pi * step / max(steps - 1, 1))) / 2
            optimizer.zero_grad()
            loss, state = model.loss(inputs, targets, state)
            state = tuple(part.detach() for part in state)
            (loss / inputs.numel()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step == steps:
                break
        epoch += 1
        curve.append((step, math.exp(held_out_loss(model, tokens[cut:]))))
        print(f"PyTorch, step {step} of {steps}: {curve[-1][1]:.4f}", file=sys.stderr)
    return curve


class PyTorch:
    """As recipe.draw() wants a training."""

    def __init__(self, curve):
        self.label = f"PyTorch {torch.__version__}"
        self.curve = [{"step": step, "training_perplexity": perplexity} for step, perplexity in curve]


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=3)
    text = "".join(path.read_text(encoding="utf-8") for path in arguments.texts)
    flags = ("--hidden", arguments.hidden, "--optimizer", "adam", "--seed", SEED)
    with recipe.server_of(arguments) as server, tempfile.TemporaryDirectory() as folder:
        server.add_corpus("text", arguments.texts)
        # One step that changes nothing: what is published are the weights that each training with this seed begins with.
        server.train("The first weights", "text", "start", *flags, "--lr", 1e-30, "--max-steps", 1)
        start = pathlib.Path(folder) / "start.safetensors"
        server.derin("models", "export", "start", "--out", start)
        derin = server.train(
            f"Derin, {server.engine()}", "text", "text", *flags, "--lr", RATE, "--schedule", "cosine",
            "--validation-share", HELD_OUT, "--epochs", arguments.epochs)
        peer = train(text, start, arguments.hidden, derin.job["progress"]["step"])
    # What is compared is the held-out text alone.
    derin.curve = [{"step": step, "training_perplexity": perplexity}
                   for step, perplexity in recipe.measurements(derin)]
    last = derin.job["progress"]["validation_perplexity"]
    losses = [math.log(last), math.log(peer[-1][1])]
    recipe.print_table(
        ("", "steps", "held-out loss, nats", "held-out perplexity"),
        [(name, derin.job["progress"]["step"], f"{loss:.4f}", f"{math.exp(loss):.3f}")
         for name, loss in zip((derin.label, f"PyTorch {torch.__version__}"), losses)])
    print(f"\nDerin's loss is {100 * (losses[0] / losses[1] - 1):+.2f} % of PyTorch's beside it")
    recipe.draw(arguments, "quality", "Held-out text: Derin beside PyTorch", [derin, PyTorch(peer)])


if __name__ == "__main__":
    main()
