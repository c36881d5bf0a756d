"""The equations of a stacked LSTM in NumPy, on tensors named and laid out as PyTorch does."""

import collections

import numpy


def vocabulary_of(text):
    """The characters by falling count, ties by code point, from id 1; 0 is `<unk>`."""
    counts = collections.Counter(text)
    ordered = sorted(counts, key=lambda character: (-counts[character], character))
    return {character: token for token, character in enumerate(ordered, 1)}


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def greedy(tensors, layers, prompt, count):
    """The `count` most probable tokens after the tokens of `prompt`, one at a time; `<unk>` is never taken."""
    tensors = {name: tensor.astype(numpy.float64) for name, tensor in tensors.items()}
    hidden = tensors["head.weight"].shape[1]
    state = [(numpy.zeros(hidden), numpy.zeros(hidden)) for _ in range(layers)]
    pending, drawn = list(prompt), []
    while len(drawn) < count:
        x = numpy.zeros(tensors["head.weight"].shape[0])
        x[pending.pop(0)] = 1
        for layer in range(layers):
            h, c = state[layer]
            gates = (tensors[f"rnn.weight_ih_l{layer}"] @ x + tensors[f"rnn.bias_ih_l{layer}"]
                     + tensors[f"rnn.weight_hh_l{layer}"] @ h + tensors[f"rnn.bias_hh_l{layer}"])
            i, f, g, o = numpy.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * numpy.tanh(g)
            h = sigmoid(o) * numpy.tanh(c)
            state[layer] = (h, c)
            x = h
        if not pending:
            logits = tensors["head.weight"] @ x + tensors["head.bias"]
            drawn.append(1 + int(numpy.argmax(logits[1:])))
            pending.append(drawn[-1])
    return drawn
