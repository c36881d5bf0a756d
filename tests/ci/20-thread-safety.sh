#!/usr/bin/env bash
# clang's thread-safety analysis over the product's sources that have a lock, they or their header: each use of a guarded
# member, which is private, holds its lock. Leaves the compilation database that the next check reads.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=build/clang
cmake -G Ninja -S . -B $build -DCMAKE_CXX_COMPILER=clang++-16 -DCMAKE_BUILD_TYPE=Release -DDERIN_TESTS=OFF \
  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
# Generated headers only; nothing is compiled.
cmake --build $build --target cmake_object_order_depends_target_derin_proto >/dev/null

# One shell command a source, from the database.
python3 - $build/compile_commands.json <<'PYTHON' | xargs -P "$(nproc)" -d '\n' -n 1 bash -c
import json, pathlib, shlex, sys

def locks(source):
    files = [path for path in (source, source.with_suffix(".h")) if path.exists()]
    return any("Mutex" in path.read_text() or "_GUARDED_BY" in path.read_text() for path in files)

for entry in json.load(open(sys.argv[1])):
    if "/build/" not in entry["file"] and locks(pathlib.Path(entry["file"])):
        words = shlex.split(entry["command"])
        words[words.index("-o"):words.index("-o") + 2] = []
        check = ["-fsyntax-only", "-Wthread-safety", "-Werror"]
        print(f"cd {shlex.quote(entry['directory'])} && {shlex.join(words + check)}")
PYTHON
echo "thread-safe as far as clang can tell"
