#!/usr/bin/env bash
# Installs the Debian 12 packages that Derin needs: the one list of them, for people, scripts, the image and CI alike.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: deploy/install-dependencies.sh GROUP...

  build    compiler, tools and libraries to build derind and derin
  test     what the tests need besides
  runtime  shared libraries only, to run programs that were built elsewhere
  cuda     what installs the CUDA toolkit from PyPI (deploy/cuda-requirements.txt), where there is none
  ci       what tests/ci/*.sh need besides

Does nothing, and needs no privileges, when all packages are there. Otherwise root uses apt-get, a user with sudo uses
sudo, and anyone else is told what to run as root and nothing is changed.
USAGE
}

packages_of() {
  case $1 in
    build)
      echo g++ cmake ninja-build ccache pkgconf \
        protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libgrpc++-dev libabsl-dev libssl-dev \
        libspdlog-dev libsqlite3-dev zlib1g-dev libutf8proc-dev prometheus-cpp-dev libeigen3-dev libhwy-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
      ;;
    test) echo libgtest-dev libgmock-dev libbenchmark-dev python3 python3-venv ;;
    runtime)
      echo libgrpc++1.51 libprotobuf32 libabsl20220623 libssl3 libspdlog1.10 libsqlite3-0 zlib1g libutf8proc2 \
        libprometheus-cpp-core1.0 libcivetweb1
      ;;
    cuda) echo python3 python3-pip ;;
    ci) echo clang-16 clang-format-16 clang-tidy-16 dpkg-dev lintian openssl python3 python3-venv ;;
    *)
      echo "install-dependencies.sh: no group '$1'; the groups are build, test, runtime, cuda and ci" >&2
      return 2
      ;;
  esac
}

# Those of the given packages that dpkg does not have.
missing_of() {
  local installed package
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p') || true
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || echo "$package"
  done
}

# Sudo without a password, or a person at a terminal who is in the group that Debian lets use it.
may_use_sudo() {
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null || { [[ -t 0 && -t 2 ]] && id -nG | grep -qwE 'sudo|admin|wheel'; }
}

# Runs apt-get behind `become` (nothing, or sudo). A package source that does not answer need not be the one that is
# wanted, so only the installation decides.
become=()
install_packages() {
  local -a apt_get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  "${become[@]}" "${apt_get[@]}" update || echo "apt-get update failed; going on with the package lists at hand" >&2
  "${become[@]}" "${apt_get[@]}" install -y --no-install-recommends "$@" >/dev/null
}

main() {
  if (($# == 0)) || [[ $1 == --help ]]; then
    usage
    exit $(($# == 0 ? 2 : 0))
  fi
  local group packages
  local -a group_packages=() wanted=() missing=()
  for group in "$@"; do
    packages=$(packages_of "$group") || exit 2
    read -ra group_packages <<<"$packages"
    wanted+=("${group_packages[@]}")
  done
  if ! command -v dpkg-query apt-get >/dev/null; then
    echo "This is not a Debian system. Derin is built and run with these packages of Debian 12: ${wanted[*]}" >&2
    exit 1
  fi
  mapfile -t missing < <(missing_of "${wanted[@]}")
  ((${#missing[@]} > 0)) || exit 0

  if ((EUID == 0)); then
    echo "Installing ${#missing[@]} packages with apt-get: ${missing[*]}"
  elif may_use_sudo; then
    echo "Installing ${#missing[@]} packages with sudo apt-get: ${missing[*]}"
    become=(sudo)
  else
    echo "${#missing[@]} packages are missing: ${missing[*]}" >&2
    echo "Have this run as root, then try again:" >&2
    echo "  $(readlink -f "${BASH_SOURCE[0]}") $*" >&2
    exit 1
  fi
  install_packages "${missing[@]}"
}

main "$@"
