#!/usr/bin/env python3
"""Two layers from scratch beside the optimised engine: the same equations, read and run.

Trains the same model twice from the same weights, with the reference backend, which is the equations written to be read, and
with the engine of this machine. Their perplexities agree; the time they take does not.
"""

import recipe


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=20)
    trainings = []
    for device, label in (("reference", "from scratch"), ("auto", "optimised")):
        with recipe.server_of(arguments, "--device", device) as server:
            server.add_corpus("text", arguments.texts, "--normalization", "d2l-letters")
            trainings.append(server.train(f"{label}, {server.engine()}", "text", "text",
                                          "--max-tokens", 10000, "--seed", 1, "--epochs",
                                          arguments.epochs, "--hidden", arguments.hidden))
            server.plot(trainings[-1])
    slowest = trainings[0].tokens_per_second
    recipe.print_table(
        ("engine", "perplexity", "tokens/s", "times as fast"),
        [(one.label, f"{one.perplexity:.4f}", f"{one.tokens_per_second:,.0f}",
          f"{one.tokens_per_second / slowest:.1f}") for one in trainings])
    recipe.draw(arguments, "from_scratch", "From scratch, and optimised", trainings)


if __name__ == "__main__":
    main()
