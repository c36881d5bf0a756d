"""Each service, rpc, message, field, enum and enum value of the API has its comment, on the line directly above it."""

import pathlib
import re
import sys

# What a declaration begins with, by what a complaint calls it. A message's fields and an enum's values look alike; which one
# it is follows from what is around it.
BLOCK = re.compile(r"^(service|message|enum|oneof) (\w+) ?\{")
RPC = re.compile(r"^rpc (\w+) ?\(")
NUMBERED = re.compile(r"^(?:[\w.<>, ]+ )?(\w+) = -?\d+\b.*;$")
# Statements that declare nothing to be used. A oneof is its fields.
OTHER = re.compile(r"^(syntax|package|import|option|reserved|extensions)\b")


def file_faults(path, text):
    around = []  # the kinds and names of the blocks that are open
    above = ""
    statement = ""  # what of it is on the lines before
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        above, commented = line, above.startswith("// ")
        if not line or line.startswith("//"):
            continue
        if statement:
            statement += " " + line
            if line.endswith((";", "{", "}")):
                statement = ""
            continue
        if line == "}":
            around.pop()
            continue
        block = BLOCK.match(line)
        rpc = RPC.match(line)
        numbered = NUMBERED.match(line)
        if block:
            kind, name = block.groups()
            if not line.endswith("}"):
                around.append((kind, name))
        elif rpc:
            kind, name = "rpc", rpc.group(1)
        elif numbered and around:
            kind, name = "value" if around[-1][0] == "enum" else "field", numbered.group(1)
        elif OTHER.match(line):
            kind = "oneof"
        else:
            yield f"{path}:{number}: is no declaration that this check can read: {line}"
            continue
        if not line.endswith((";", "{", "}")):
            statement = line
        if kind != "oneof" and not commented:
            inside = ".".join(n for k, n in around if k in ("service", "message", "enum") and n != name)
            yield f"{path}:{number}: {kind} {inside}{'.' if inside else ''}{name} has no comment above it"


def faults(root):
    root = pathlib.Path(root)
    files = sorted((root / "proto/derin").rglob("*.proto"))
    if not files:
        return ["proto/derin: has no .proto files"]
    return [fault for file in files for fault in file_faults(file.relative_to(root).as_posix(), file.read_text())]


if __name__ == "__main__":
    found = faults(sys.argv[1])
    print("\n".join(found) or "the whole API is commented")
    sys.exit(1 if found else 0)
