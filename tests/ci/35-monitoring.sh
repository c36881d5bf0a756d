#!/usr/bin/env bash
# Prometheus's own tools pass the configuration, the rules and what the server exports, and a real Prometheus finds data for
# everything that the dashboard and the alerts ask. Debian's package is unpacked, not installed: it would start services.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=$PWD/build/prometheus
version=$(apt-cache policy prometheus | sed -n 's/^  Candidate: //p')
if [[ ! -e $folder/version || $(<"$folder/version") != "$version" ]]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download "prometheus=$version" && dpkg -x prometheus_*.deb root && rm prometheus_*.deb)
  echo "$version" >"$folder/version"
fi
promtool=$folder/root/usr/bin/promtool
(cd deploy/prometheus && "$promtool" check config prometheus.yaml && "$promtool" test rules alerts_test.yaml) >build/promtool.txt ||
  { cat build/promtool.txt; exit 1; }
python3 -B tests/deploy/monitoring_check.py build/release/bin/derind build/release/bin/derin "$folder/root/usr/bin/prometheus" "$promtool" "$PWD"
