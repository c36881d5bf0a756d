#!/usr/bin/env python3
"""Several authors in one model: whose voice does it take?

Trains a model of each text and one of all of them, and has the latter go on from the first words of a paragraph of each.
The voice of what it writes is the author whose own model finds it least surprising. A single text is cut in two.
"""

import pathlib
import tempfile

import recipe

# Of letters and single spaces, so that every model can read what another wrote.
PROMPT, WRITTEN = 60, 300


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=8)
    with recipe.server_of(arguments) as server, tempfile.TemporaryDirectory() as folder:
        texts = recipe.several_texts(arguments, folder)
        names = [f"author-{number}" for number in range(1, len(texts) + 1)]
        trainings = []
        for name, files in (*((name, [text]) for name, text in zip(names, texts)), ("all", texts)):
            server.add_corpus(name, files, "--normalization", "d2l-letters")
            label = "all of them" if name == "all" else pathlib.Path(files[0]).stem
            trainings.append(server.train(
                label, name, name, *recipe.ADAM, "--hidden", arguments.hidden, "--epochs",
                arguments.epochs))
            server.plot(trainings[-1])

        everyone = trainings.pop()
        rows = []
        for text, own in zip(texts, trainings):
            content = pathlib.Path(text).read_text(encoding="utf-8")
            prompt = " ".join(content[len(content) // 3:].split("\n\n", 1)[-1].split())[:PROMPT]
            written = server.derin("generate", "--model", everyone.model, "--prompt", prompt,
                                   "--max-tokens", WRITTEN, "--temperature", 0.6, "--seed", 1)
            sample = pathlib.Path(folder) / "sample.txt"
            sample.write_text(written, encoding="utf-8")
            surprise = [server.json("score", "--model", author.model, sample)["perplexity"]
                        for author in trainings]
            voice = trainings[surprise.index(min(surprise))].label
            rows.append((own.label, voice, *(f"{value:.2f}" for value in surprise)))
            print(f"\n{own.label}: {prompt}\n    ...{written.strip()}")
        recipe.print_table(("prompt of", "voice of", *(f"perplexity, {one.label}" for one in trainings)),
                           rows)
        recipe.draw(arguments, "authors", "A model of each author, and one of all",
                    [*trainings, everyone])


if __name__ == "__main__":
    main()
