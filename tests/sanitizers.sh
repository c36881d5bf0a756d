#!/usr/bin/env bash
# The gate's tests under sanitizers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
Usage: tests/sanitizers.sh [asan|tsan]...

  asan   address and undefined behaviour, over all tests
  tsan   data races, over what does not link gRPC, with an Abseil that is built for it from Debian's source package;
         the first time it is fetched, later it is in build/abseil-tsan

Without arguments both, one after the other.
USAGE
}

jobs=$(nproc)

# Debian's Abseil is not built for the thread sanitizer, which then takes what its mutexes guard for races. Apt's lists
# and configuration stay as they are: those for the sources are in the same folder.
make_abseil() {
  local version folder=$PWD/build/abseil-tsan
  version=$(dpkg-query -W -f '${Version}' libabsl-dev)
  if [[ -e $folder/version && $(<"$folder/version") == "$version" ]]; then
    return
  fi
  echo "Building Abseil $version for the thread sanitizer"
  rm -rf "$folder"
  mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/source"

  # The sources of what the machine's own Debian packages come from.
  local format='deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) main'
  apt-get indextargets --format "$format" 'Identifier: Packages' 'Origin: Debian' | sort -u >"$folder/apt/sources.list"
  local -a options=(-qq -o "Dir::Etc::SourceList=$folder/apt/sources.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=root)
  if ! apt-get "${options[@]}" update ||
    ! (cd "$folder/source" && apt-get "${options[@]}" source --download-only "abseil=$version"); then
    echo "sanitizers.sh: wanted the source of Debian's package abseil $version, for tsan; apt-get gave none (see above)." \
      "The package source of this machine must offer sources (deb-src) too." >&2
    return 1
  fi
  dpkg-source --no-check -x "$folder"/source/*.dsc "$folder/source/abseil" >/dev/null

  local -a launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake -G Ninja -S "$folder/source/abseil" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" \
    -DCMAKE_CXX_STANDARD=17 -DCMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=thread -march=x86-64-v3" \
    -DCMAKE_INSTALL_PREFIX="$folder/installed" -DCMAKE_INSTALL_LIBDIR=lib >/dev/null
  cmake --build "$folder/build" --parallel "$jobs" --target install >"$folder/log" ||
    { tail -n 50 "$folder/log"; return 1; }
  rm -rf "$folder/build" "$folder/source" "$folder/apt"
  echo "$version" >"$folder/version"
}

check() {
  [[ $1 == asan ]] || make_abseil
  cmake --preset "$1" -DDERIN_TESTS=ON >/dev/null
  cmake --build --preset "$1" --parallel "$jobs"
  ctest --preset "$1" --parallel "$jobs"
}

for sanitizer in "$@"; do
  case $sanitizer in
    asan | tsan) ;;
    --help | -h)
      usage
      exit
      ;;
    *)
      echo "sanitizers.sh: got '$sanitizer', wanted asan, tsan, --help or nothing" >&2
      exit 2
      ;;
  esac
done
if (($# == 0)); then set -- asan tsan; fi
for sanitizer in "$@"; do check "$sanitizer"; done
