"""Each link in a document of ours (*.md) leads to a file or a folder that is there, and so does each word of the README's
picture of how data walks: it has a link, and the link leads to a file of that name."""

import pathlib
import re
import sys

LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
# The two straight ways that the README draws, and what both go through.
PICTURE = re.compile(r"^```\n(train:.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("client", "deploy", "model", "proto", "server", "tests")


def documents(root):
    yield from sorted(root.glob("*.md"))
    for folder in FOLDERS:
        yield from sorted((root / folder).rglob("*.md"))


def link_faults(root):
    for document in documents(root):
        for number, line in enumerate(document.read_text().splitlines(), 1):
            for _, target in LINK.findall(line):
                file = target.split("#")[0]
                if not file or "://" in target:
                    continue
                if not (document.parent / file).exists():
                    yield f"{document.relative_to(root)}:{number}: there is no {file}"


def picture_faults(root):
    text = (root / "README.md").read_text()
    picture = PICTURE.search(text)
    if not picture:
        yield "README.md: has no picture that begins with train:"
        return
    linked = dict(LINK.findall(text))
    for word in re.findall(r"\b[a-z_]+\b(?!:)", picture.group(1)):
        if word not in linked:
            yield f"README.md: the picture names {word}, which has no link"
        elif pathlib.PurePosixPath(linked[word]).stem != word:
            yield f"README.md: the picture names {word}, but the link leads to {linked[word]}"


def faults(root):
    root = pathlib.Path(root)
    return [*link_faults(root), *picture_faults(root)]


if __name__ == "__main__":
    found = faults(sys.argv[1])
    print("\n".join(found) or "every link leads somewhere")
    sys.exit(1 if found else 0)
