"""What the compiler does not check about the sources: who may include whom, that each has its test, and a place for its files.

A folder may include what is below it in these lists and nothing else of ours:

    model/   text, sampling, optimizer <- backend <- network <- training <- checkpoint; text may use sampling
    server/  the folders in the order of server/CMakeLists.txt, all of model/, the generated API
    client/  derin <- cli; client/derin/internal is where the generated API is
    proto/   command_line, which client/cli and the server's own folder may include

model/ knows no gRPC, no protobuf, no Prometheus and no SQL. Only model/backend's sources name a particular backend. The
client's public headers, and the command line, which is written against them, know no gRPC and no protobuf either.
"""

import pathlib
import re
import sys

SUFFIXES = {".h", ".cc", ".cu", ".cuh"}
PRODUCT = ("proto", "model", "server", "client")

BELOW_BACKEND = {"model/sampling", "model/text", "model/optimizer"}
BELOW_TRAINING = BELOW_BACKEND | {"model/backend", "model/network"}
MODEL_FOLDERS = {
    "model": set(),
    "model/sampling": set(),
    "model/text": {"model/sampling"},
    "model/optimizer": set(),
    "model/backend": BELOW_BACKEND,
    "model/network": BELOW_BACKEND | {"model/backend"},
    "model/training": BELOW_TRAINING,
    "model/checkpoint": BELOW_TRAINING | {"model/training"},
}
PROTO_FOLDERS = {"proto/command_line": set()}
CLIENT_FOLDERS = {"client/derin": set(), "client/cli": {"client/derin", "proto/command_line"}}

# Headers that not everybody may know, by what a complaint calls them.
FOREIGN = {
    "gRPC": re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$"),
    "protobuf": re.compile(r"^google/protobuf/|\.pb\.h$"),
    "Prometheus": re.compile(r"^prometheus/|^[Cc]ivet"),
    "SQL": re.compile(r"^sqlite3"),
    "the library's inside": re.compile(r"^client/derin/internal/"),
}
# A path's beginning (and end), and what the files there must not know.
IGNORANT = [
    (re.compile(r"^model/"), ("gRPC", "protobuf", "Prometheus", "SQL")),
    (re.compile(r"^client/cli/"), ("gRPC", "protobuf", "the library's inside")),
    (re.compile(r"^client/derin/client/.*\.h$"), ("gRPC", "protobuf", "the library's inside")),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def server_folders(root):
    """The folders of the server, each with those that it may include: the ones named before it in server/CMakeLists.txt."""
    listed = re.search(r"foreach\(folder ([^)]*)\)", (root / "server/CMakeLists.txt").read_text())
    if not listed:
        raise SystemExit("server/CMakeLists.txt: no foreach(folder ...) that gives the order of the folders")
    names = [f"server/{name}" for name in listed.group(1).split()]
    folders = {name: set(names[:i]) for i, name in enumerate(names)}
    folders["server"] = {*names, "proto/command_line"}
    return folders


def sources(root, top):
    return sorted(p for p in (root / top).rglob("*") if p.suffix in SUFFIXES)


def folder_of(path):
    """The unit that the rules speak of: a folder directly below model, server or client, or that folder itself."""
    parts = pathlib.PurePosixPath(path).parent.parts
    return "/".join(parts[:2])


def names_a_backend(path):
    """Whether `path` lies in the folder of one backend, such as model/backend/reference."""
    parts = pathlib.PurePosixPath(path).parts
    return parts[:2] == ("model", "backend") and len(parts) > 3


def include_fault(path, included, folders):
    """Why the file at `path` may not include `included`, or None."""
    # Users of the library name its headers as they are installed.
    if included.startswith(("derin/client/", "derin/internal/")):
        included = f"client/{included}"
    folder = folder_of(path)
    top = path.split("/")[0]
    for place, names in IGNORANT:
        for name in names:
            if place.search(path) and FOREIGN[name].search(included):
                return f"{folder} must not know {name}"
    if included.split("/")[0] not in PRODUCT:
        return None
    target = folder_of(included)
    if names_a_backend(included) and not names_a_backend(path):
        if folder != "model/backend" or not path.endswith(".cc"):
            return "only the sources of model/backend name a particular backend"
    if target == folder or target == "model" and top != "client":
        return None
    if top == "server" and included.startswith("model/"):
        return None
    if target in folders[folder]:
        return None
    allowed = ", ".join(sorted(folders[folder])) or "nothing else of ours"
    return f"{folder} may include {allowed}"


def include_faults(root):
    folders = {**PROTO_FOLDERS, **MODEL_FOLDERS, **server_folders(root), **CLIENT_FOLDERS}
    for top in PRODUCT:
        for file in sources(root, top):
            path = file.relative_to(root).as_posix()
            if folder_of(path) not in folders:
                yield f"{path}: {folder_of(path)} is in no list of folders; give it its place in the order"
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                quote, included = match.groups()
                if quote == '"' and ("/" not in included or included.startswith(".")):
                    fault = "files of ours are named by their path from the top"
                else:
                    fault = include_fault(path, included, folders)
                if fault:
                    yield f"{path}:{number}: includes {included}, but {fault}"


def mirrored_test_faults(root):
    """Each source has its test at the mirrored path, or a reason in untested.txt."""
    excused = {}
    listing = root / "tests/structure/untested.txt"
    for number, line in enumerate(listing.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        path, _, reason = line.partition(":")
        if not reason.strip():
            yield f"tests/structure/untested.txt:{number}: want 'path: reason', got '{line}'"
        excused[path] = number
    for top in PRODUCT:
        for file in (f for f in sources(root, top) if f.suffix in {".cc", ".cu"}):
            path = file.relative_to(root).as_posix()
            test = f"tests/{path.rsplit('.', 1)[0]}_test.cc"
            tested = (root / test).exists()
            if not tested and path not in excused:
                yield f"{path}: has no {test}, and no reason in tests/structure/untested.txt"
            if tested and path in excused:
                yield f"tests/structure/untested.txt:{excused[path]}: {path} has its test; drop the line"
            excused.pop(path, None)
    for path, number in excused.items():
        yield f"tests/structure/untested.txt:{number}: there is no {path}; drop the line"


def shared_path_faults(root):
    """Tests run beside each other, so each keeps its files in a folder of its own."""
    for file in sources(root, "tests"):
        path = file.relative_to(root).as_posix()
        if path != "tests/temporary_folder.h" and "TempDir()" in file.read_text():
            yield f"{path}: writes where other tests may; TemporaryFolder gives it a folder of its own"


def faults(root):
    root = pathlib.Path(root)
    return [*include_faults(root), *mirrored_test_faults(root), *shared_path_faults(root)]


if __name__ == "__main__":
    found = faults(sys.argv[1])
    print("\n".join(found) or "every include and every test is where it should be")
    sys.exit(1 if found else 0)
