#!/usr/bin/env bash
# Every source is formatted as .clang-format says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

find proto model server client tests -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh' >build/sources.txt
xargs -d '\n' -a build/sources.txt clang-format-16 --dry-run -Werror
echo "formatted"
