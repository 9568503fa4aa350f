#!/usr/bin/env bash
# Makes the Debian packages of a built tree, installs them into an empty root that knows which packages this machine has,
# and builds and runs tests/consumer against it.
# Usage: scripts/test-deb.sh BUILD_DIR
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$1" && pwd)
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build_dir/CMakeCache.txt")
abi=${version%.*}
command -v dpkg-shlibdeps >/dev/null || { echo "skipped: no Debian packaging tools here"; exit 77; }

work=$build_dir/deb
rm -rf "$work"
(cd "$build_dir" && cpack -B "$work/packages" >"$work.log") || { cat "$work.log"; exit 1; }
fail() { echo "test-deb: $*" >&2; exit 1; }

field() { dpkg-deb -f "$work/packages/$1"_*.deb "$2"; }
for package in "libcoppice$abi" libcoppice-dev coppice; do
  [[ "$(field "$package" Package) $(field "$package" Version)" == "$package $version" ]] || fail "$package is called otherwise"
done
grep -q "libcoppice$abi (= $version)" <<<"$(field libcoppice-dev Depends)" || fail "libcoppice-dev needs no libcoppice$abi"
grep -q 'libhwy1.*libssl3' <<<"$(field "libcoppice$abi" Depends)" || fail "libcoppice$abi lacks dependencies"
outside=$(for deb in "$work"/packages/*.deb; do dpkg-deb -c "$deb"; done | awk '{print $6}' |
  grep -vE '^\./(usr/((bin|include|lib|share|share/doc)/)?)?$|^\./usr/(bin/coppice$|include/coppice/|lib/|share/doc/coppice/)' || true)
[[ -z "$outside" ]] || fail "files in unexpected places: $outside"

root=$work/root
mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers}
sed '/^Package: \(lib\)\?coppice/,/^$/d' /var/lib/dpkg/status >"$root/var/lib/dpkg/status"
# Dependencies are checked against this machine's packages; only the installed files are in the root.
dpkg --root="$root" --force-not-root --force-script-chrootless --log=/dev/null -i "$work"/packages/*.deb >"$work/dpkg.log" 2>&1 ||
  { grep -v 'files list file' "$work/dpkg.log"; fail "the packages do not install"; }

"$root/usr/bin/coppice" --version
cmake -S "$source_dir/tests/consumer" -B "$work/consumer" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$root/usr" -DCOPPICE_FLAVOUR=shared >/dev/null
cmake --build "$work/consumer" >/dev/null
"$work/consumer/consumer"
"$work/consumer/consumer_train"
# Read whole: grep -q would close the pipe while ldd still writes, which pipefail takes for a failure.
[[ $(ldd "$work/consumer/consumer") == *"libcoppice.so.$abi => $root/usr/lib"* ]] || fail "the consumer loads another libcoppice"
rm -rf "$work" "$work.log"
