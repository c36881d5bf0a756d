#!/usr/bin/env bash
# The gate's tests under the address and undefined-behaviour sanitizers, then under the thread sanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tests/sanitizers.sh
