#!/usr/bin/env bash
# Fails where clang-format would change a file. Usage: scripts/check-format.sh [--fix]
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(--dry-run -Werror)
if [[ "${1:-}" == --fix ]]; then mode=(-i); fi
mapfile -t files < <(find core autograd ops cuda models sparsity trainers bench tests cmake docs -name '*.h' -o -name '*.cpp')
clang-format "${mode[@]}" "${files[@]}"
echo "check-format: ${#files[@]} files follow .clang-format"
