#!/usr/bin/env python3
"""The recipe that Derin grew from: "Dive into Deep Learning", Deep Recurrent Neural Networks.

Two LSTM layers of 256, letters and single spaces only, the first 10,000 characters, batches of 32 times 35, plain gradient
descent at a rate of 2 with clipping at 1, 500 epochs. Give it The Time Machine to train on what the book trained on.
"""

import recipe

# What the book reports, on GPUs of its time: "D2L, 10.3. Deep Recurrent Neural Networks".
REPORTED = [("PyTorch", "215,250.2"), ("MXNet", "112,786.7"), ("TensorFlow", "4,248.7")]


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=500)
    with recipe.server_of(arguments) as server:
        server.add_corpus("seed", arguments.texts, "--normalization", "d2l-letters")
        training = server.train("seed recipe", "seed", "seed", "--max-tokens", 10000, "--seed", 1,
                                "--epochs", arguments.epochs, "--hidden", arguments.hidden)
        server.plot(training)
        recipe.print_table(
            ("where", "tokens/s", "perplexity"),
            [(f"here, {server.engine()}", f"{training.tokens_per_second:,.1f}",
              f"{training.perplexity:.3f}"),
             *((f"the book, {name}, on a GPU", speed, "1.0 to 1.1") for name, speed in REPORTED)])
        recipe.draw(arguments, "seed", "The seed recipe", [training])


if __name__ == "__main__":
    main()
