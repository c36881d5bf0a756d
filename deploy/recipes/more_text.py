#!/usr/bin/env python3
"""More training data: a model of one text beside one of several texts of the same author.

Both are measured on the same held-out end of the first text, and take the same number of steps. A single text is cut in
two: its second half is the text, and its first half is the other one.
"""

import tempfile

import recipe

HELD_OUT = 0.1  # of the first text


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=8)
    trainings = []
    with recipe.server_of(arguments) as server, tempfile.TemporaryDirectory() as folder:
        texts = recipe.several_texts(arguments, folder)
        # The first one comes last in the corpus, so that its end is held out. Letters and spaces only, so that both
        # vocabularies are the same and their perplexities can be compared.
        sizes = {}
        for name, files in (("alone", texts[:1]), ("together", [*texts[1:], texts[0]])):
            corpus = server.add_corpus(name, files, "--normalization", "d2l-letters")
            sizes[name] = (corpus["character_count"], corpus["vocabulary_size"])
        if sizes["alone"][1] != sizes["together"][1]:
            raise SystemExit("the first text lacks letters that the others have: their perplexities "
                             "would not be of the same thing")
        held_out = sizes["alone"][0] * HELD_OUT
        steps = int(arguments.epochs * sizes["alone"][0] * (1 - HELD_OUT) / (32 * 35))
        for name, label in (("alone", "one text"), ("together", f"{len(texts)} texts")):
            characters = sizes[name][0]
            trainings.append(server.train(
                label, name, name, *recipe.ADAM, "--hidden", arguments.hidden, "--validation-share",
                held_out / characters, "--max-steps", steps, "--epochs", 1000000))
            server.plot(trainings[-1])
    recipe.print_table(
        ("trained on", "characters", "steps", "held-out text, best", "tokens/s"),
        [(one.label, f"{size[0]:,}", f"{one.job['progress']['step']:,}",
          f"{one.best_validation:.3f}", f"{one.tokens_per_second:,.0f}")
         for one, size in zip(trainings, sizes.values())])
    recipe.draw(arguments, "more_text", "One text, and more", trainings, validation=True)


if __name__ == "__main__":
    main()
