#!/usr/bin/env bash
# Where there is a CUDA compiler, the gate has built the CUDA backend and its kernels; and the folder that proves them on a
# GPU stands on its own and says, stage by stage, that there is none here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v nvcc >/dev/null && [[ ! -x /usr/local/cuda/bin/nvcc ]]; then
  echo "no CUDA compiler here, and so no CUDA backend"
  exit
fi
library=build/release/model/backend/cuda/libderin_backend_cuda_device.a
if [[ ! -e $library ]]; then
  echo "15-cuda.sh: nvcc is here, and $library was not built; cmake --preset cuda says why" >&2
  exit 1
fi
echo "the CUDA backend was built"

tests/gpu/pack.sh
if [[ -e /dev/nvidia0 ]]; then
  echo "a GPU is here: build/gpu-proof/run.sh OUT proves the backend on it"
  exit
fi
proof=$PWD/build/gpu-proof out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
(cd / && env -i "$proof/run.sh" "$out" >"$out/printed.txt" 2>&1) || status=$?
# All stages: eight of our programs', PyTorch's and that under compute-sanitizer, which may not be here either.
ran=$(grep -cE '^(facts|smoke|weight offsets|parity|determinism|recipe|training|sampling) +not run .* no device: ' "$out/table.txt" || true)
peer=$(grep -cE '^PyTorch +not run .* (no device|no PyTorch): ' "$out/table.txt" || true)
checked=$(grep -cE '^memcheck +not run .* (no device: |no compute-sanitizer in PATH)' "$out/table.txt" || true)
if [[ $status -ne 2 || $ran -ne 8 || $peer -ne 1 || $checked -ne 1 ]]; then
  cat "$out/printed.txt" >&2
  echo "15-cuda.sh: without a GPU the proof's exit status is $status, wanted 2, and $ran + $peer + $checked of its stages say so, wanted 8 + 1 + 1" >&2
  exit 1
fi
echo "the proof for a GPU stands on its own"
