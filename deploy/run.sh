#!/usr/bin/env bash
# From a fresh clone to text that a model writes: installs, builds, starts a server of its own, trains on the demo text
# and generates twice in one session. Disturbs nobody: a free port, data in a new folder under build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
Usage: deploy/run.sh [--keep]

Installs what is missing, builds Derin, starts a server on a free port, trains a small model on deploy/demo and lets it
write. Takes some minutes the first time, one or two afterwards.

  --keep   leave the server running, and its data where it is
  --help   this
USAGE
}

keep=no
for argument in "$@"; do
  case $argument in
    --keep) keep=yes ;;
    --help | -h)
      usage
      exit
      ;;
    *)
      echo "run.sh: got '$argument', wanted --keep, --help or nothing" >&2
      exit 2
      ;;
  esac
done

text=deploy/demo/lantern_bay.txt
bin=build/release/bin
run=''
server=''

# The clock in tenths of a second, whatever the locale writes between seconds and microseconds.
now() { echo $((${EPOCHREALTIME//[!0-9]/} / 100000)); }

stage_number=0
stage() {
  stage_number=$((stage_number + 1)) stage_start=$(now)
  printf '\n[%d/6] %s\n' $stage_number "$1"
}
stage_done() {
  local tenths=$(($(now) - stage_start))
  printf '      %s (%d.%d s)\n' "$1" $((tenths / 10)) $((tenths % 10))
}

# Whatever happens, nothing is left but what was asked for. A failure shows what the server said last.
finish() {
  local status=$?
  trap '' INT TERM HUP
  if ((status != 0 && status != 130)) && [[ -n $run && -s $run/log ]]; then
    printf '\nThe last lines of the server:\n' >&2
    tail -n 20 "$run/log" >&2
  fi
  if [[ -n $server ]]; then
    kill -TERM "$server" 2>/dev/null || true
    # The server gives calls under way 10 s; one that takes twice as long is stuck.
    for ((tenth = 0; tenth < 200; tenth++)); do
      kill -0 "$server" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$server" 2>/dev/null || true
  fi
  [[ -z $run ]] || rm -rf "$run"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Ninja's output as one line that counts; all of what it said when it fails.
build() {
  local line log=build/run.log quarter=0
  if ! cmake --preset release "$@" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  if ! cmake --build --preset release --target derind derin 2>&1 | tee "$log" | while IFS= read -r line; do
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
      if [[ -t 1 ]]; then
        printf '\r      %d of %d steps' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
      elif ((BASH_REMATCH[1] * 4 / BASH_REMATCH[2] > quarter)); then
        quarter=$((BASH_REMATCH[1] * 4 / BASH_REMATCH[2]))
        printf '      %d of %d steps\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
      fi
    fi
  done; then
    printf '\n' >&2
    grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking|Generating)' "$log" >&2
    return 1
  fi
  [[ ! -t 1 ]] || printf '\r\033[K'
}

stage "Packages"
deploy/install-dependencies.sh build
stage_done "all there"

stage "Build"
mkdir -p build
if [[ -e build/release/build.ninja ]]; then
  build
else
  build -DDERIN_TESTS=OFF
fi
stage_done "$bin/derind and $bin/derin"

stage "Server"
run=$(mktemp -d build/run-XXXXXX)
# In a session of its own, so that Ctrl-C here is not for it: the client ends first, then the server is told.
setsid "$bin/derind" --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 --port-file "$run/addresses" \
  --data-dir "$run/data" </dev/null >"$run/log" 2>&1 &
server=$!
until [[ -e $run/addresses ]]; do
  kill -0 "$server" 2>/dev/null || { echo "derind did not start" >&2; exit 1; }
  sleep 0.05
done
address=$(sed -n 's/^grpc //p' "$run/addresses")
derin() { "$bin/derin" "$@" --server "$address"; }
stage_done "serves on $address"

stage "Upload"
derin corpus add demo "$text"
stage_done "$text"

stage "Train"
derin train --corpus demo --model lantern --cell lstm --layers 2 --hidden 192 --batch 16 --steps 48 \
  --optimizer adam --lr 0.005 --schedule cosine --epochs 25 --seed 1 --validation-share 0.05
stage_done "model lantern"

stage "Generate, twice in one session"
session=$(derin sessions open --model lantern --seed 7 --json | sed -n 's/.*"name": *"\([^"]*\)".*/\1/p')
printf 'At the harbour '
derin generate --session "$session" --prompt "At the harbour " --max-tokens 300 --temperature 0.5
printf '\n      ... and on from there, in a second call:\n'
derin generate --session "$session" --max-tokens 300 --temperature 0.5
[[ -t 1 ]] || echo
stage_done "600 characters"

program=$bin/derin
if [[ $keep == yes ]]; then
  cat <<NEXT

The server stays. It listens on $address and keeps its data in $run/data. Try:

  $program generate --server $address --model lantern --prompt "The light " --max-tokens 500 --temperature 0.6
  $program corpus add mine FILE --server $address
  $program train --server $address --corpus mine --model mine --epochs 20
  $program status --server $address

Its metrics are at http://$(sed -n 's/^metrics //p' "$run/addresses")/metrics. To stop it and remove its data:

  kill $server; rm -r $run
NEXT
  run=''
  server=''
else
  cat <<NEXT

That was all; the server stops now. Next:

  deploy/run.sh --keep    the same, and the server stays for you to play with
  $bin/derind --help      to run a server of your own
  $bin/derin --help       to talk to it
NEXT
fi
