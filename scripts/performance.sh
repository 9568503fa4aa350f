#!/usr/bin/env bash
# Builds the benchmarks, measures every group of docs/performance.md beside the peers that are installed (scripts/peers.sh),
# and writes the page. Takes about a quarter of an hour on a quiet machine; groups may be measured one by one, and what was
# measured before stays on the page.
# Usage: scripts/performance.sh [GROUP...]   (docs/measuring.md lists the groups; `page`: measure nothing)
#        BUILD=build/release ISA=avx2 scripts/performance.sh gemm inference
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
[[ -f $build/CMakeCache.txt ]] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --target coppice-bench coppice-peers coppice_cli coppice_shared
exec "$build/bench/coppice-bench" --document ${ISA:+--isa "$ISA"} ${*:+--only "$@"}
