#!/usr/bin/env bash
# systemd's own tools pass the service, as it would be installed: no line that it does not know, and little that the service
# could reach beyond its data. Debian's package is unpacked, not installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=$PWD/build/systemd most_exposure=20  # of 100
if [[ ! -e $folder/done ]]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download systemd libsystemd-shared &&
    for package in ./*.deb; do dpkg -x "$package" root; done && rm ./*.deb)
  touch "$folder/done"
fi
analyze() {
  LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu/systemd:$folder/root/usr/lib/x86_64-linux-gnu \
    "$folder/root/usr/bin/systemd-analyze" "$@"
}
sed "s#/usr/local/bin/derind#$PWD/build/release/bin/derind#" deploy/systemd/derind.service >"$folder/derind.service"
# Bad usage is not tried again, and a server that cannot start, after each pause, not for ever.
setting() { sed -n "s/^$1=\([0-9]*\)s\{0,1\}$/\1/p" "$folder/derind.service"; }
[[ $(setting RestartPreventExitStatus) == 2 ]]
(($(setting StartLimitBurst) * $(setting RestartSec) < $(setting StartLimitIntervalSec)))
# derind asks for more than the filter allows, and must be refused, not killed.
grep -qx SystemCallErrorNumber=EPERM "$folder/derind.service"
# It says what it does not understand and goes on.
said=$(analyze verify "$folder/derind.service" 2>&1) || true
if [[ $(grep -c derind.service <<<"$said") -ne 0 ]]; then
  printf '%s\n' "$said" >&2
  exit 1
fi
analyze security --offline=yes --threshold=$most_exposure "$folder/derind.service" >"$folder/security.txt" ||
  { cat "$folder/security.txt" >&2; exit 1; }
sed -n 's/^→ //p' "$folder/security.txt"
