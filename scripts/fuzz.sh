#!/usr/bin/env bash
# Fuzzes every reader of untrusted files with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer; needs
# Clang. Starts from cases of the mutation tests; inputs found and crashes stay in build/fuzz/corpus.
# Usage: scripts/fuzz.sh [SECONDS [FORMAT...]]   (60 seconds a format, all formats)
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
formats=("${@:2}")
if ((${#formats[@]} == 0)); then formats=(safetensors idx npy pth matrix_market smtx plan png jpeg cifar10 recipe results checkpoint); fi
command -v clang++ >/dev/null || { echo "fuzz: needs clang++ (apt-get install clang)" >&2; exit 1; }

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)"
programs=$PWD/build/fuzz/tests
corpus=$PWD/build/fuzz/corpus
mkdir -p "$corpus/seeds"
for number in {0..29}; do
  (cd "$corpus/seeds" && COPPICE_FUZZ_CASE=$number "$programs/fuzz_tests" --gtest_brief=1 >/dev/null)
done
for format in "${formats[@]}"; do
  mkdir -p "$corpus/$format"
  cp -n "$corpus/seeds/$format"-*.bin "$corpus/$format" 2>/dev/null || true
  [[ $format != checkpoint ]] || cp -n "$corpus"/seeds/safetensors-*.bin "$corpus/$format"
  echo "== $format"
  "$programs/fuzz/fuzz_$format" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=512 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix="$corpus/$format-" "$corpus/$format"
done
