#!/usr/bin/env bash
# Installs a built tree aside and checks what finds it: the CMake package's version, the libraries' SONAMEs, pkg-config.
# Usage: scripts/test-package.sh BUILD_DIR
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$1" && pwd)
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build_dir/CMakeCache.txt")
abi=${version%.*}

work=$build_dir/package
rm -rf "$work"
cmake --install "$build_dir" --prefix "$work/elsewhere" >/dev/null
mv "$work/elsewhere" "$work/prefix"  # a path of the build or of the first place would be noticed
libdir=$(dirname "$(find "$work/prefix" -name libcoppice.a)")

finds() {  # finds VERSION: whether find_package takes the installed package for that version
  mkdir -p "$work/find"
  printf 'cmake_minimum_required(VERSION 3.25)\nproject(find CXX)\nfind_package(coppice %s CONFIG REQUIRED)\n' "$1" \
    >"$work/find/CMakeLists.txt"
  rm -rf "$work/find/build"
  cmake -S "$work/find" -B "$work/find/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/find/log" 2>&1
}
fail() { echo "test-package: $*" >&2; exit 1; }

for wanted in "$version" "$abi" ""; do
  finds "$wanted" || { cat "$work/find/log"; fail "find_package(coppice $wanted) does not find $version"; }
done
for wanted in "${abi%.*}.$((${abi#*.} + 1))" "$((${abi%.*} + 1)).0"; do
  if finds "$wanted"; then fail "find_package(coppice $wanted) takes $version"; fi
  grep -q "version: $version" "$work/find/log" || fail "find_package(coppice $wanted) does not say that $version is there"
done

for name in libcoppice libcoppice_train; do
  soname=$(readelf -d "$libdir/$name.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
  [[ "$soname" == "$name.so.$abi" ]] || fail "$name.so calls itself '$soname', not $name.so.$abi"
  [[ "$(readlink -f "$libdir/$name.so.$abi")" == "$libdir/$name.so.$version" ]] || fail "$name.so.$abi leads elsewhere"
done
# Read whole: grep -q would close a pipe while the program still writes, which pipefail takes for a failure.
grep -q "NEEDED.*libcoppice.so.$abi" <<<"$(readelf -d "$libdir/libcoppice_train.so")" || fail "libcoppice_train.so names no libcoppice"

export PKG_CONFIG_PATH=$libdir/pkgconfig
[[ "$(pkg-config --modversion coppice)" == "$version" ]] || fail "coppice.pc has another version"
mkdir "$work/programs"
compile() { c++ -std=c++20 -O1 "$source_dir/tests/consumer/$1.cpp" -o "$work/programs/$1-$2" "${@:3}"; }
read -ra flags < <(pkg-config --cflags --libs coppice)
compile main shared "${flags[@]}" "-Wl,-rpath,$libdir"
read -ra flags < <(pkg-config --cflags --libs coppice-train)
compile train shared "${flags[@]}" "-Wl,-rpath,$libdir"
# Only ours are asked for as archives; a system's libraries need not have them.
static_flags() { pkg-config --static --cflags --libs "$1" | sed 's/-lcoppice\(_train\)\?\b/-l:libcoppice\1.a/g'; }
read -ra flags < <(static_flags coppice)
compile main static "${flags[@]}"
read -ra flags < <(static_flags coppice-train)
compile train static "${flags[@]}"
for program in "$work"/programs/*; do "$program"; done
for program in main train; do
  if ldd "$work/programs/$program-static" | grep libcoppice; then fail "$program-static needs a shared libcoppice"; fi
  [[ $(ldd "$work/programs/$program-shared") == *"libcoppice.so.$abi => $libdir"* ]] || fail "$program-shared loads another libcoppice"
done
rm -rf "$work"
