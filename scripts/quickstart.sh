#!/usr/bin/env bash
# From a fresh checkout to a paper's table: installs what is missing, builds, and runs the quick scale of the
# reactivation paper on data that the engine makes itself.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh --build-only
cmake -S . -B build/quickstart -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCOPPICE_BUILD_TESTS=OFF -DCOPPICE_BUILD_BENCH=OFF >/dev/null
cmake --build build/quickstart --target coppice_cli
build/quickstart/coppice reproduce reactivation --scale quick "$@"
