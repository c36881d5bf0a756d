#!/usr/bin/env bash
# Installs what building and testing need, builds everything, and runs the tests of the gate. Arguments go to ctest:
# `deploy/test.sh -R Trainer` runs the tests with Trainer in their name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
# Under CI whatever would otherwise be a remark is an error.
strict=${CI:+ON}

# The packages from PyPI that the Python tests use live in build/venv, without privileges. Without them (no network, say)
# those tests are skipped by name.
make_venv() {
  local stamp=build/venv/requirements.txt wanted
  wanted="$(/usr/bin/python3 --version) $(cat tests/requirements.txt)"
  if [[ -e $stamp && $(<"$stamp") == "$wanted" ]]; then
    return
  fi
  echo "Making build/venv for the Python tests"
  rm -rf build/venv
  mkdir -p build
  if /usr/bin/python3 -m venv build/venv &&
    build/venv/bin/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt; then
    echo "$wanted" >"$stamp"
  else
    rm -rf build/venv
    [[ -z $strict ]] || return 1
    echo "Without packages from PyPI the Python tests are skipped" >&2
  fi
}

deploy/install-dependencies.sh build test
make_venv
cmake --preset release -DDERIN_TESTS=ON -DDERIN_WERROR="${strict:-OFF}"
cmake --build --preset release --parallel "$jobs"
ctest --preset release --parallel "$jobs" "$@"
