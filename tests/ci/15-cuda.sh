#!/usr/bin/env bash
# Where there is a CUDA compiler, the gate has built the CUDA backend and its kernels.
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
