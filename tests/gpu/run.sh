#!/usr/bin/env bash
# run.sh OUT: proves the CUDA backend on this machine's GPU, in less than ten minutes, and writes what it found into OUT.
# Exit status 0: every stage ran and passed; 1: one failed; 2: none failed, and one did not run; 64: bad usage.
set -euo pipefail
if [[ $# -ne 1 ]]; then
  echo "usage: run.sh OUT" >&2
  exit 64
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH
if ! python=$(command -v python3); then
  echo "run.sh: no python3 in PATH, which finds the libraries and keeps the results" >&2
  exit 1
fi
exec "$python" -B "$here/stages.py" "$1"
