#!/usr/bin/env python3
"""LSTM, GRU and vanilla cells on the same text: what each learns, and how fast it is."""

import recipe

CELLS = ("lstm", "gru", "vanilla-tanh")


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=10)
    trainings = []
    with recipe.server_of(arguments) as server:
        server.add_corpus("text", arguments.texts)
        for cell in CELLS:
            trainings.append(server.train(
                cell, "text", cell, *recipe.ADAM, "--cell", cell, "--hidden", arguments.hidden,
                "--schedule", "cosine", "--validation-share", 0.1, "--epochs", arguments.epochs))
            server.plot(trainings[-1])
    recipe.print_table(
        ("cell", "parameters", "perplexity, training", "held-out text, best", "tokens/s"),
        [(one.label, f"{one.job['parameter_count']:,}", f"{one.perplexity:.3f}",
          f"{one.best_validation:.3f}", f"{one.tokens_per_second:,.0f}") for one in trainings])
    recipe.draw(arguments, "cells", "Three cells, one text", trainings, validation=True)


if __name__ == "__main__":
    main()
