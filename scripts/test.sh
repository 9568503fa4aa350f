#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test; the last lines are the summary of the main run.
# Usage: scripts/test.sh [--all]   (--all: also the style checks, AddressSanitizer with UndefinedBehaviorSanitizer,
#                                   ThreadSanitizer on reduced sets, and a build inside a host's tree)
set -euo pipefail
cd "$(dirname "$0")/.."

all=0
case "${1:-}" in
  "") ;;
  --all) all=1 ;;
  *) echo "usage: scripts/test.sh [--all]" >&2; exit 2 ;;
esac

scripts/install-deps.sh
if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
fi
jobs=$(nproc)

step() { printf '\n== %s\n' "$*"; }

build() {
  step "build $1"
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" -j "$jobs"
}

if ((all)); then
  step "style"
  scripts/check-arrows.py
  scripts/check-format.sh
fi
build release
if ((all)); then
  step "build inside a host's tree"
  scripts/test-embed.sh build/release fetchcontent --all
  for preset in asan-ubsan tsan; do
    build "$preset"
    step "test $preset"
    ctest --preset "$preset" -j "$jobs"
  done
fi
step "test release"
ctest --preset release -j "$jobs"
