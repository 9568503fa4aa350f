#!/usr/bin/env bash
# Configures a project that has this tree inside it, and compiles its own file; with --all also builds and runs it, which
# compiles the library again.
# Usage: scripts/test-embed.sh WORK_DIR subdirectory|fetchcontent [--all]
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)
work=$1/embed-$2
rm -rf "$work"
cmake -S "$source_dir/tests/embed" -B "$work" -G Ninja -DCOPPICE_TREE="$source_dir" -DCOPPICE_HOW="$2"
if [[ "${3:-}" == --all ]]; then
  cmake --build "$work" -j "$(nproc)"
  "$work/host"
  "$work/host_train"
  built=$(cd "$work" && find . -name '*.o' -path '*coppice*' | sed 's|.*/CMakeFiles/||' | sort | uniq -d)
  [[ -z "$built" ]] || { echo "compiled twice: $built" >&2; exit 1; }
  if find "$work" -name 'libcoppice*.so*' | grep .; then echo "the flavour nobody links was built" >&2; exit 1; fi
  if find "$work" -type f -name coppice -perm -u+x | grep .; then echo "the program was built" >&2; exit 1; fi
else
  cmake --build "$work" --target host_objects
fi
rm -rf "$work"
