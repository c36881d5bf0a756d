"""PyTorch makes one step for --batch sessions: a token id in, a drawn one out, states kept.

nn.LSTM is a quarter slower than the cells here at its best (oneDNN off: with it the weights are
repacked at each call). Here the first layer's input product is a row of a table, the other products
of a cell are one, and the gates that share a function lie side by side. From three rows up weights
are packed once for oneDNN, whose products beat MKL's by a quarter to a half; one and two rows are
quickest through MKL with the weights along k.

torch.compile is left out: on these classes it loses up to a third (LSTM, vanilla) and gains 6 % at
best (GRU); on a purely functional LSTM it gained 4 to 13 % at batch 1 and nothing from 8 up.
"""

import torch
from torch import nn

import worker

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "vanilla": nn.RNN}


def product(weight, bias, batch):
    """A function that returns x W^T + b for `batch` rows x; `weight` W is [outputs, inputs]."""
    if batch <= 2 and weight.dtype == torch.float32:
        along_k = weight.t().contiguous()
        return lambda x: torch.addmm(bias, x, along_k)
    # The operators that Inductor has for packed weights; eager PyTorch has no public name for them.
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), batch)
    linear = torch.ops.mkldnn._linear_pointwise
    return lambda x: linear(x, packed, bias, "none", [], "")


class Layer:
    """One layer's weights and state. Its input is token ids if `first`, hidden states otherwise."""

    def __init__(self, weights, first, batch):
        self.first = first
        self.input_weight, self.hidden_weight, self.input_bias, self.hidden_bias = weights
        self.hidden = self.hidden_weight.new_zeros(batch, self.hidden_weight.shape[1])
        self.prepare(batch)

    def prepare(self, batch):
        bias = self.input_bias + self.hidden_bias
        if self.first:
            self.table = self.input_weight.t() + bias
            self.recur = product(self.hidden_weight, torch.zeros_like(bias), batch)
        else:
            self.both = product(torch.cat([self.input_weight, self.hidden_weight], 1), bias, batch)

    def gates(self, x):
        if self.first:
            return self.recur(self.hidden).add_(self.table[x])
        return self.both(torch.cat([x, self.hidden], 1))


class VanillaLayer(Layer):
    def step(self, x):
        self.hidden = self.gates(x).tanh_()
        return self.hidden


class LstmLayer(Layer):
    def prepare(self, batch):
        # i, f, g, o becomes i, f, o, g: then one sigmoid covers three gates.
        def reorder(tensor):
            i, f, g, o = tensor.chunk(4)
            return torch.cat([i, f, o, g])

        self.input_weight = reorder(self.input_weight)
        self.input_bias = reorder(self.input_bias)
        self.hidden_weight = reorder(self.hidden_weight)
        self.hidden_bias = reorder(self.hidden_bias)
        self.cell = torch.zeros_like(self.hidden)
        super().prepare(batch)

    def step(self, x):
        gates = self.gates(x)
        size = self.hidden.shape[1]
        i, f, o = gates[:, : 3 * size].sigmoid_().split(size, 1)
        g = gates[:, 3 * size :].tanh_()
        self.cell = (f * self.cell).addcmul_(i, g)
        self.hidden = o * self.cell.tanh()
        return self.hidden


class GruLayer(Layer):
    def prepare(self, batch):
        self.recur = product(self.hidden_weight, self.hidden_bias, batch)
        if self.first:
            table = self.input_weight.t() + self.input_bias
            self.enter = lambda x: table[x]
        else:
            self.enter = product(self.input_weight, self.input_bias, batch)

    def step(self, x):
        size = self.hidden.shape[1]
        x_gates, h_gates = self.enter(x), self.recur(self.hidden)
        r, z = (x_gates[:, : 2 * size] + h_gates[:, : 2 * size]).sigmoid_().split(size, 1)
        n = torch.addcmul(x_gates[:, 2 * size :], r, h_gates[:, 2 * size :]).tanh_()
        self.hidden = torch.lerp(n, self.hidden, z)
        return self.hidden


LAYERS = {"lstm": LstmLayer, "gru": GruLayer, "vanilla": VanillaLayer}


class Sessions:
    """`rnn` and `head` in use by `batch` sessions."""

    def __init__(self, cell, rnn, head, dtype, batch):
        # rnn.all_weights has one list a layer: input and hidden weights, input and hidden biases.
        self.layers = [
            LAYERS[cell]([w.detach().to(dtype) for w in weights], index == 0, batch)
            for index, weights in enumerate(rnn.all_weights)
        ]
        self.head = product(head.weight.detach().to(dtype), head.bias.detach().to(dtype), batch)
        self.tokens = torch.zeros(batch, dtype=torch.long)
        self.uniform = torch.zeros(batch, 1)
        self.probabilities = None

    def step(self):
        x = self.tokens
        for layer in self.layers:
            x = layer.step(x)
        self.probabilities = torch.softmax(self.head(x), 1, dtype=torch.float32)
        cumulative = self.probabilities.cumsum(1)
        # The first id whose cumulative probability exceeds u times the total.
        total = cumulative[:, -1:]
        threshold = self.uniform.uniform_() * total
        drawn = torch.searchsorted(cumulative, threshold, right=True)
        self.tokens = drawn.squeeze(1).clamp_(max=cumulative.shape[1] - 1)

    def check(self):
        if not torch.isfinite(self.probabilities).all():
            raise ArithmeticError("a probability is not finite")


def main():
    options = worker.parse_options(__doc__)
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    rnn = CELLS[options.cell](options.vocabulary, options.hidden, options.layers)
    head = nn.Linear(options.hidden, options.vocabulary)
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    with torch.inference_mode():
        sessions = Sessions(options.cell, rnn, head, dtype, options.batch)
        worker.serve(sessions.step, options.batch, sessions.check)


if __name__ == "__main__":
    main()
