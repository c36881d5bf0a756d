#!/usr/bin/env bash
# Builds build/gpu-proof/, a folder of its own that proves the CUDA backend where there is a GPU: run.sh OUT there. It needs
# a C library, Python, libcudnn.so.9 and libcublasLt.so.13, and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=build/release folder=build/gpu-proof most_kib=$((40 * 1024))
external='libcudnn\.so\.9|libcublasLt\.so\.13'
# Of the C library, which belongs to the machine.
system='ld-linux-x86-64\.so\.2|lib(c|m|dl|rt|pthread)\.so\.[0-9]+'

needed() { readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p'; }

# Copies what $1 needs into lib/, and what that needs.
bundle() {
  local name path
  for name in $(needed "$1"); do
    if [[ $name =~ ^($external|$system)$ || -e $folder/lib/$name ]]; then
      continue
    fi
    path=$(ldd "$1" | awk -v name="$name" '$1 == name { print $3 }')
    cp -L "$path" "$folder/lib/$name"
    bundle "$path"
  done
}

[[ -e $build/build.ninja ]] || cmake --preset release
cmake --build "$build" --target gpu_proof_programs
rm -rf "$folder"
mkdir -p "$folder"/{bin,lib,golden,data}
cmake --install "$build" --component gpu_proof --prefix "$folder" --strip >/dev/null
for program in "$folder"/bin/*; do
  bundle "$build/bin/$(basename "$program")"
done
bundle "$build/lib/derin/libderin_cuda.so"
cp tests/golden/*.json "$folder/golden"
cp -r tests/golden/cudnn "$folder/golden"
cp deploy/demo/lantern_bay.txt "$folder/data/recipe.txt"
cp tests/gpu/{run.sh,stages.py,serving.py,peer_torch.py} tests/python/server_process.py "$folder"

# That it stands on its own.
fail() { echo "pack.sh: $*" >&2; exit 1; }
for file in "$folder"/bin/* "$folder"/lib/*.so* "$folder"/lib/derin/*; do
  for name in $(needed "$file"); do
    [[ $name =~ ^($external|$system)$ || -e $folder/lib/$name ]] || fail "$file needs $name, which is not in lib/"
  done
done
for program in "$folder"/bin/*; do
  path=$(readelf -d "$program" | sed -nE 's/.*\((RPATH|RUNPATH)\).*\[(.*)\]/\1 \2/p')
  [[ $path == "RPATH \$ORIGIN/../lib" ]] || fail "$program looks for its libraries in '$path', wanted RPATH \$ORIGIN/../lib"
done
kib=$(du -sk "$folder" | cut -f1)
((kib < most_kib)) || fail "$folder has $kib KiB, wanted less than $most_kib"
echo "$folder: $kib KiB, $(ls "$folder/lib" | wc -l) libraries"
