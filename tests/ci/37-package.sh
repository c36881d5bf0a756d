#!/usr/bin/env bash
# cpack makes Debian packages that lintian finds no error in. In a root that has the packages that this one depends on and
# nothing else, dpkg installs it, and the server starts, answers and stops as a user who may do little.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fail() { echo "37-package.sh: $*" >&2; exit 1; }
((EUID == 0)) || fail "wants root, for chroot"

packages=$PWD/build/packages
rm -rf "$packages"
cpack --config build/release/CPackConfig.cmake -B "$packages" &>build/cpack.txt || { cat build/cpack.txt >&2; exit 1; }
lintian --allow-root --fail-on error "$packages"/*.deb || fail "lintian finds errors"
derin=$(echo "$packages"/derin_*.deb)
if [[ -e build/release/lib/derin/libderin_cuda.so ]] && ! compgen -G "$packages/derin-cuda_*.deb" >/dev/null; then
  fail "the module for GPUs was built and has no package"
fi

# Names of packages in a field such as Depends, a line each.
names() { tr ',|' '\n\n' | sed 's/(.*//; s/:any//; s/ //g; /^$/d'; }
# The installed packages that the given ones, which may be provided by others, depend on all the way down.
with_dependencies() {
  local -A seen=() provider=()
  local -a queue=("$@")
  local package provided name
  while IFS=$'\t' read -r package provided; do
    for name in $(names <<<"$provided"); do provider[$name]=$package; done
  done < <(dpkg-query -W -f '${Package}\t${Provides}\n')
  while ((${#queue[@]} > 0)); do
    package=${queue[0]} queue=("${queue[@]:1}")
    [[ -z ${seen[$package]-} ]] || continue
    seen[$package]=yes
    [[ -z ${provider[$package]-} ]] || queue+=("${provider[$package]}")
    mapfile -t -O "${#queue[@]}" queue < <(dpkg-query -W -f '${Pre-Depends}, ${Depends}\n' "$package" 2>/dev/null | names)
  done
  dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' "${!seen[@]}" 2>/dev/null | sed -n 's/^installed //p'
}
root=$(mktemp -d) server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$root"' EXIT
mapfile -t depends < <(dpkg-deb -f "$derin" Depends | names)
mapfile -t needed < <(with_dependencies "${depends[@]}")
mkdir -p "$root"/usr/{bin,lib,lib64,sbin} "$root"/{tmp,data} "$root/var/lib/dpkg/info"
for merged in bin lib lib64 sbin; do ln -s "usr/$merged" "$root/$merged"; done
dpkg-query -L "${needed[@]}" | grep -vE '^/usr/share/(doc|man|locale)' | sort -u |
  tar -C / --no-recursion --ignore-failed-read -cf - -T - 2>/dev/null | tar -C "$root" --keep-directory-symlink -xf -
dpkg-query -s "${needed[@]}" | sed '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d; /^ /d}' >"$root/var/lib/dpkg/status"
dpkg --root="$root" -i "$derin" >build/dpkg.txt 2>&1 || { cat build/dpkg.txt >&2; fail "dpkg does not install it"; }

[[ $(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Conffiles}' derin) == *" /etc/derin/derind.toml "* ]] ||
  fail "the configuration is no conffile"
chown 10001:10001 "$root/data"
as_user=(chroot --userspec=10001:10001 "$root")
derind=(/usr/bin/derind --config /etc/derin/derind.toml --data-dir /data/derin --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0)
"${as_user[@]}" "${derind[@]}" --check-config >/dev/null || fail "the configuration is not good"
"${as_user[@]}" "${derind[@]}" --port-file /data/port 2>"$root/log" &
server=$!
while [[ ! -s $root/data/port ]] && kill -0 "$server" 2>/dev/null; do sleep 0.1; done
address=$(sed -n 's/^grpc //p' "$root/data/port") || true
"${as_user[@]}" /usr/bin/derin status --server "$address" >"$root/status" || { cat "$root/log" >&2; fail "derind does not answer"; }
kill "$server"
wait "$server" || { cat "$root/log" >&2; fail "derind does not stop well"; }
server=

proposed=$(bash -c "source '$root/usr/share/bash-completion/completions/derin'"'
  COMP_WORDS=(derin jobs wa) COMP_CWORD=2; _derin; echo "${COMPREPLY[*]}"')
[[ $proposed == watch ]] || fail "after 'derin jobs wa' bash proposes '$proposed'"
# tests/ci/36-service.sh has unpacked systemd.
systemd=$PWD/build/systemd/root
sed "s#/usr/bin/derind#$root/usr/bin/derind#" "$root/usr/lib/systemd/system/derind.service" >"$root/derind.service"
said=$(LD_LIBRARY_PATH=$systemd/usr/lib/x86_64-linux-gnu/systemd:$systemd/usr/lib/x86_64-linux-gnu \
  "$systemd/usr/bin/systemd-analyze" verify --man=no "$root/derind.service" 2>&1) || true
[[ $said != *derind.service* ]] || fail "$said"
echo "$(basename "$derin") installs beside ${#needed[@]} packages that it depends on, starts, answers and stops"
