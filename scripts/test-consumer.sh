#!/usr/bin/env bash
# Installs a built tree aside and builds and runs tests/consumer and docs/examples/candidate against it.
# Usage: scripts/test-consumer.sh BUILD_DIR static|shared
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$1" && pwd)
flavour=$2

prefix=$build_dir/consumer/prefix
consumer=$build_dir/consumer/$flavour
rm -rf "$prefix" "$consumer"
cmake --install "$build_dir" --prefix "$prefix" >/dev/null
# Moved, so that a path of the build tree in the package would be noticed.
mv "$prefix" "$prefix-$flavour-moved"
trap 'rm -rf "$prefix-$flavour-moved"' EXIT
# Every installed header, in one program: none may need a file that is not installed.
(cd "$prefix-$flavour-moved/include" && find coppice -name '*.h' | LC_ALL=C sort | sed 's/.*/#include <&>/') \
  >"$prefix-$flavour-moved/all.cpp"
c++ -std=c++20 -fsyntax-only -I "$prefix-$flavour-moved/include" "$prefix-$flavour-moved/all.cpp"

build() {
  cmake -S "$source_dir/$1" -B "$consumer/$(basename "$1")" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PREFIX_PATH="$prefix-$flavour-moved" -DCOPPICE_FLAVOUR="$flavour" \
    -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wconversion -Wshadow -Werror"
  cmake --build "$consumer/$(basename "$1")"
}
build tests/consumer
"$consumer/consumer/consumer"
"$consumer/consumer/consumer_train"
build docs/examples/candidate
"$consumer/candidate/candidate" | tee "$consumer/candidate.txt"
grep -q 'mine/axpy .* exact$' "$consumer/candidate.txt"
if grep -q WRONG "$consumer/candidate.txt"; then
  echo "test-consumer: a candidate is wrong" >&2
  exit 1
fi
if [[ "$flavour" == shared ]]; then
  ldd "$consumer/consumer/consumer" | grep libcoppice.so
fi
