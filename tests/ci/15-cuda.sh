#!/usr/bin/env bash
# Where there is a CUDA compiler, the gate has built the CUDA backend and its kernels, and the server that can load them says
# what it runs on without a GPU; and the folder that proves them on a GPU stands on its own and says, stage by stage, that
# there is none here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v nvcc >/dev/null && [[ ! -x /usr/local/cuda/bin/nvcc ]]; then
  echo "no CUDA compiler here, and so no CUDA backend"
  exit
fi
fail() { echo "15-cuda.sh: $*" >&2; exit 1; }
module=build/release/lib/derin/libderin_cuda.so
[[ -e $module ]] || fail "nvcc is here, and $module was not built; cmake --preset cuda says why"
echo "the CUDA backend was built"

# The program itself must start where there is no library of NVIDIA's.
if ldd build/release/bin/derind | grep -E 'libcu|libnv'; then
  fail "derind does not start without these libraries"
fi

timing=$(build/release/lib/derin/derin_cuda_timing lstm f16 0 2 256 28 35 32 standard 2>&1) || true
if [[ ! -e /dev/nvidia0 && $timing != "error 14 "*GPU* ]]; then
  fail "without a GPU derin_cuda_timing says '$timing', wanted an error of code 14 that says so"
fi

tests/gpu/pack.sh
if [[ -e /dev/nvidia0 ]]; then
  echo "a GPU is here: build/gpu-proof/run.sh OUT proves the backend on it"
  exit
fi

folder=$(mktemp -d) server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
derind=(build/release/bin/derind --listen "unix:$folder/socket" --metrics-listen "" --data-dir "$folder/data")
status=0
"${derind[@]}" --device cuda 2>"$folder/log" || status=$?
if [[ $status -ne 1 ]] || ! grep -qF 'Cannot start: --device cuda: no NVIDIA driver (libcuda.so.1)' "$folder/log"; then
  cat "$folder/log" >&2
  fail "without a driver, derind --device cuda ends with status $status, wanted 1 and the reason"
fi
"${derind[@]}" --device auto --port-file "$folder/port" 2>"$folder/log" &
server=$!
while [[ ! -s $folder/port ]] && kill -0 "$server" 2>/dev/null; do sleep 0.1; done
if ! build/release/bin/derin status --server "unix:$folder/socket" | grep -q '^device  *cpu ' ||
  [[ $(grep -cF 'no NVIDIA driver (libcuda.so.1): running on the cpu' "$folder/log") -ne 1 ]]; then
  cat "$folder/log" >&2
  fail "without a driver, derind --device auto does not say so in one line and serve on the cpu"
fi
kill "$server"
wait "$server"
server=
echo "the server built with CUDA runs without a GPU, and says why"

proof=$PWD/build/gpu-proof out=$folder/proof
mkdir "$out"
status=0
(cd / && env -i "$proof/run.sh" "$out" >"$out/printed.txt" 2>&1) || status=$?
# All stages: nine of our programs', PyTorch's and that under compute-sanitizer, which may not be here either.
ran=$(grep -cE '^(facts|smoke|weight offsets|parity|determinism|recipe|training|sampling|serving) +not run .* no device: ' "$out/table.txt" || true)
peer=$(grep -cE '^PyTorch +not run .* (no device|no PyTorch): ' "$out/table.txt" || true)
checked=$(grep -cE '^memcheck +not run .* (no device: |no compute-sanitizer in PATH)' "$out/table.txt" || true)
if [[ $status -ne 2 || $ran -ne 9 || $peer -ne 1 || $checked -ne 1 ]]; then
  cat "$out/printed.txt" >&2
  fail "without a GPU the proof's exit status is $status, wanted 2, and $ran + $peer + $checked of its stages say so, wanted 9 + 1 + 1"
fi
echo "the proof for a GPU stands on its own"
