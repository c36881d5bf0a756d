#!/usr/bin/env bash
# Installs the peers of the side-by-side benchmarks into a throw-away folder: FOLDER/venv with those
# from PyPI, and the oneDNN worker FOLDER/onednn_lstm; with --serving FOLDER/triton instead of the
# latter, Triton's server with its Python backend in FOLDER/triton/backends. Does nothing when they
# are there. The folder takes about 6 GB: PyPI has PyTorch for Linux only with CUDA, and that build
# does not load without NVIDIA's libraries, also where there is no GPU.
set -euo pipefail

usage() {
  echo "Usage: tests/benchmarks/peers/install.sh [--serving] [FOLDER]   (default: build/peers)"
}

# make_venv NAME REQUIREMENTS MODULE...: a virtual environment in which the modules can be imported.
make_venv() {
  local venv=$folder/$1 requirements=$here/$2 wanted
  wanted="$(/usr/bin/python3 --version) $(<"$requirements")"
  if [[ -e $venv/installed.txt && $(<"$venv/installed.txt") == "$wanted" ]]; then
    return
  fi
  echo "Making $venv with peers from PyPI (of which PyTorch is about 3 GB)"
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"
  local module
  for module in "${@:3}"; do "$venv/bin/python" -c "import $module"; done
  if [[ $1 == triton ]]; then make_triton_backends; fi
  echo "$wanted" >"$venv/installed.txt"
}

# The wheel has the Python backend without its stub, and one of those for each version of Python.
make_triton_backends() {
  local version server
  version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  server=$folder/triton/lib/python$version/site-packages/pytriton/tritonserver
  cp -r "$server/backends" "$folder/triton/backends"
  cp "$server/python_backend_stubs/$version/triton_python_backend_stub" "$folder/triton/backends/python/"
  chmod +x "$folder/triton/backends/python/triton_python_backend_stub" "$server/bin/tritonserver"
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

serving=no
if [[ ${1-} == --serving ]]; then
  serving=yes
  shift
fi
if (($# > 1)) || [[ ${1-} == -* ]]; then
  usage
  [[ ${1-} == --help ]] && exit 0
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/../../../build/peers}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

make_venv venv requirements.txt grpc numpy onnx onnxruntime torch
if [[ $serving == yes ]]; then
  make_venv triton requirements-triton.txt numpy onnxruntime tritonclient.grpc.aio
else
  build_onednn_worker
fi
