#!/usr/bin/env bash
# What runs Derin in containers, as far as that can be checked without a container engine or a cluster: a linter passes the
# Dockerfile, a server answers its health check, the schema of compose files passes deploy/compose.yaml, and kustomize with
# Kubernetes' own schemas and a check of what refers to what deploy/kubernetes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=build/containers-venv
wanted="$(/usr/bin/python3 --version) $(cat tests/ci/requirements.txt)"
if [[ ! -e $venv/requirements.txt || $(<"$venv/requirements.txt") != "$wanted" ]]; then
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r tests/ci/requirements.txt
  echo "$wanted" >"$venv/requirements.txt"
fi
# Packages of the distribution have the versions that it has.
"$venv/bin/hadolint" --ignore DL3008 Dockerfile
"$venv/bin/python" -B tests/deploy/image_check.py build/release/bin/derind "$PWD"
"$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml >/dev/null
# Debian's kubectl is unpacked, not installed: a machine may have one already, from elsewhere.
folder=$PWD/build/kubectl
version=$(apt-cache policy kubernetes-client | sed -n 's/^  Candidate: //p')
if [[ ! -e $folder/version || $(<"$folder/version") != "$version" ]]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download "kubernetes-client=$version" && dpkg -x kubernetes-client_*.deb root && rm kubernetes-client_*.deb)
  echo "$version" >"$folder/version"
fi
"$venv/bin/python" -B tests/deploy/kubernetes_check.py "$folder/root/usr/bin/kubectl" build/release/bin/derind "$PWD"
