#!/usr/bin/env bash
# Installs the Debian packages that building and testing need. Says first what it will do; does nothing twice.
# Usage: scripts/install-deps.sh [--build-only]   (--build-only: without tests, benchmarks and checks)
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config git ca-certificates
          libhwy-dev zlib1g-dev libssl-dev libpng-dev libjpeg62-turbo-dev libtomlplusplus-dev nlohmann-json3-dev
          libcli11-dev)
if [[ "${1:-}" != --build-only ]]; then
  packages+=(libgtest-dev libbenchmark-dev libeigen3-dev clang-format python3 ccache
             binutils dpkg-dev)
fi

missing=()
for package in "${packages[@]}"; do
  [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "install-deps: all ${#packages[@]} packages are installed"
  exit 0
fi
echo "install-deps: will install with apt-get: ${missing[*]}"
sudo=()
if ((EUID != 0)); then sudo=(sudo); fi
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
