#!/usr/bin/env bash
# Installs the peers of the side-by-side benchmark into a throw-away folder: FOLDER/venv with those
# from PyPI, and the oneDNN worker FOLDER/onednn_lstm. Does nothing when they are there. The folder
# takes about 6 GB: PyPI has PyTorch for Linux only with CUDA, and that build does not load without
# NVIDIA's libraries, also where there is no GPU.
set -euo pipefail

usage() {
  echo "Usage: tests/benchmarks/peers/install.sh [FOLDER]   (default: build/peers)"
}

make_venv() {
  local stamp=$folder/venv/installed.txt wanted
  wanted="$(/usr/bin/python3 --version) $(<"$here/requirements.txt")"
  if [[ -e $stamp && $(<"$stamp") == "$wanted" ]]; then
    return
  fi
  echo "Making $folder/venv with the peers from PyPI (a download of about 3 GB)"
  rm -rf "$folder/venv"
  /usr/bin/python3 -m venv "$folder/venv"
  local python=$folder/venv/bin/python
  "$python" -m pip install -q --disable-pip-version-check -r "$here/requirements.txt"
  "$python" -c 'import numpy, onnx, onnxruntime, torch'
  echo "$wanted" >"$stamp"
}

install_onednn() {
  [[ ! -e /usr/include/oneapi/dnnl/dnnl.hpp ]] || return 0
  local -a become=()
  if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null; then
      echo "install.sh: oneDNN is missing; have root run: apt-get install libdnnl-dev" >&2
      return 1
    fi
    become=(sudo)
  fi
  local -a apt_get=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  apt_get+=(-o DPkg::Lock::Timeout=300)
  "${apt_get[@]}" update || echo "apt-get update failed; going on with the lists at hand" >&2
  "${apt_get[@]}" install -y --no-install-recommends libdnnl-dev >/dev/null
}

build_onednn_worker() {
  local source=$here/onednn_lstm.cc program=$folder/onednn_lstm
  if [[ $program -nt $source && $program -nt $here/install.sh ]]; then
    return
  fi
  install_onednn
  # oneDNN chooses its kernels at run time, so the flags matter little. Debian's runs on OpenMP.
  g++ -std=c++20 -O3 -march=x86-64-v3 -Wall -Wextra -fopenmp "$source" -ldnnl -o "$program"
}

if (($# > 1)) || [[ ${1-} == -* ]]; then
  usage
  [[ ${1-} == --help ]] && exit 0
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/../../../build/peers}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

make_venv
build_onednn_worker
