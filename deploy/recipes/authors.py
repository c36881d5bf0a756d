#!/usr/bin/env python3
"""Several authors in one model: whose voice does it take?

Trains a model of each text and one of all of them, each with the same weight, and has the latter go on from a paragraph of
each. What it writes is then read by the models of one author: the voice is that of the author whose model finds it least
surprising, in proportion to how it finds a part of its own text that it was not trained on. A single text is cut in two.
"""

import pathlib
import tempfile

import recipe

# Bytes are tokens that every model knows, whatever its author writes with.
TRAINING = (*recipe.ADAM, "--tokens", "bytes", "--dropout", 0.2, "--validation-share", 0.1)
PROMPT, WRITTEN = 300, 400  # bytes


def paragraph(text):
    """The beginning of a paragraph in the middle of `text`, as it is laid out."""
    content = text.read_text(encoding="utf-8")
    rest = content[len(content) // 2:].split("\n\n", 1)[-1]
    return rest.encode()[:PROMPT].decode(errors="ignore")


def main():
    arguments = recipe.parse_arguments(__doc__, epochs=8)
    size = ("--hidden", arguments.hidden, "--epochs", arguments.epochs)
    with recipe.server_of(arguments) as server, tempfile.TemporaryDirectory() as folder:
        texts = recipe.several_texts(arguments, folder)
        names = [f"author-{number}" for number in range(1, len(texts) + 1)]
        authors = []
        for name, text in zip(names, texts):
            server.add_corpus(name, [text])
            authors.append(server.train(text.stem, name, name, *TRAINING, *size))
            server.plot(authors[-1])
        others = [word for name in names[1:] for word in ("--corpus", name)]
        everyone = server.train("all of them", names[0], "all", *others, *TRAINING, *size)
        server.plot(everyone)

        rows = []
        for text, own in zip(texts, authors):
            prompt = paragraph(text)
            written = server.derin("generate", "--model", everyone.model, "--prompt", prompt,
                                   "--max-tokens", WRITTEN, "--temperature", 0.6, "--seed", 1)
            sample = pathlib.Path(folder) / "sample.txt"
            sample.write_text(written, encoding="utf-8")
            surprise = [
                server.json("score", "--model", author.model, sample)["perplexity"]
                / author.best_validation for author in authors]
            voice = authors[surprise.index(min(surprise))].label
            rows.append((own.label, voice, *(f"{value:.2f}" for value in surprise)))
            print(f"\n--- {own.label}:\n{prompt}\n--- goes on:\n{written}")
        recipe.print_table(
            ("prompt of", "voice of", *(f"surprise of {one.label}" for one in authors)), rows)
        recipe.draw(arguments, "authors", "A model of each author, and one of all",
                    [*authors, everyone], validation=True)


if __name__ == "__main__":
    main()
