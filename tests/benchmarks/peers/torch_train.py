"""PyTorch trains: forward, mean cross entropy, backward, clip, SGD, state carried on.

What was tried and lost: oneDNN off (LSTM f32 -20 %, bf16 -95 %; the other cells do not use it), a
hand-written LSTM, eager or under torch.compile (a third to a half slower), and nn.LSTM under
torch.compile (fails in Inductor). No difference: one_hot or scatter for the input, SGD and clip
without fused and foreach.
"""

import torch
from torch import nn
from torch.nn import functional

import worker

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "vanilla": nn.RNN}
# Minibatches that are drawn beforehand, so that no time goes into random numbers.
MINIBATCHES = 64


class Trainer:
    def __init__(self, options):
        self.bf16 = options.precision == "bf16"
        self.rnn = CELLS[options.cell](options.vocabulary, options.hidden, options.layers)
        self.head = nn.Linear(options.hidden, options.vocabulary)
        self.parameters = [*self.rnn.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.SGD(self.parameters, lr=2.0, fused=True)
        # Rows of it are the one-hot input: the cheapest way to make a dense one.
        self.identity = torch.eye(options.vocabulary)
        shape = (MINIBATCHES, options.steps + 1, options.batch)
        self.tokens = torch.randint(options.vocabulary, shape)
        self.next = 0
        self.state = None
        self.loss = None

    def step(self):
        tokens = self.tokens[self.next]
        self.next = (self.next + 1) % MINIBATCHES
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            hidden, state = self.rnn(self.identity[tokens[:-1]], self.state)
            logits = self.head(hidden)
            self.loss = functional.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        self.loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        self.state = tuple(s.detach() for s in state) if type(state) is tuple else state.detach()

    def check(self):
        if not torch.isfinite(self.loss):
            raise ArithmeticError(f"the loss is {self.loss.item()}")


def main():
    options = worker.parse_options(__doc__, steps=35)
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    trainer = Trainer(options)
    worker.serve(trainer.step, options.batch * options.steps, trainer.check)


if __name__ == "__main__":
    main()
