#!/usr/bin/env bash
# Fails on the first file that clang-format would change. Fix with: scripts/check-format.sh --fix
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(--dry-run -Werror)
if [[ "${1:-}" == --fix ]]; then mode=(-i); fi
git ls-files -z '*.h' '*.cpp' | xargs -0 clang-format "${mode[@]}"
echo "check-format: $(git ls-files '*.h' '*.cpp' | wc -l) files follow .clang-format"
