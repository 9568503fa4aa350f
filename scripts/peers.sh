#!/usr/bin/env bash
# Installs the engines that benchmarks compare with, as far as they can be had: Debian's packages (oneDNN, OpenBLAS, Eigen,
# LibTorch 1.13) and, into a Python environment of the benchmarks' own, a current PyTorch and ONNX Runtime. What cannot be
# had is one line, not an error: benchmarks leave it out. Says first what it will do; does nothing twice.
# Usage: scripts/peers.sh [VENV]   (default: build/peers-venv)
set -uo pipefail
cd "$(dirname "$0")/.."
venv=${1:-build/peers-venv}

packages=(libdnnl-dev libopenblas-dev libeigen3-dev libtorch-dev python3-torch python3-venv)
missing=()
for package in "${packages[@]}"; do
  [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
done
sudo=()
if ((EUID != 0)); then sudo=(sudo); fi
for package in "${missing[@]}"; do
  echo "peers: installing $package with apt-get"
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 ||
    echo "peers: $package cannot be had here"
done

if [[ ! -x $venv/bin/python ]]; then
  echo "peers: making the Python environment $venv"
  python3 -m venv "$venv" || { echo "peers: no Python environment can be made here"; exit 0; }
fi
install() {  # install MODULE ARGUMENTS...: with pip, unless the module is there
  local module=$1
  shift
  "$venv/bin/python" -c "import $module" 2>/dev/null && return 0
  echo "peers: installing $module into $venv"
  "$venv/bin/pip" install --quiet --no-compile "$@" >/dev/null 2>&1 && "$venv/bin/python" -c "import $module" 2>/dev/null
}
install onnxruntime onnxruntime onnx numpy || echo "peers: ONNX Runtime cannot be had here"
# The build without CUDA is a tenth of the size, where its index can be reached.
timeout 20 curl -sfI https://download.pytorch.org/whl/cpu/torch/ >/dev/null &&
  install torch torch --index-url https://download.pytorch.org/whl/cpu
install torch torch || echo "peers: PyTorch cannot be had here"
install deepsparse --only-binary deepsparse deepsparse || echo "peers: DeepSparse has no package for this Python"

for module in torch onnxruntime; do
  "$venv/bin/python" -c "import $module; print('peers: $module', $module.__version__)" 2>/dev/null
done
for package in "${packages[@]}"; do
  dpkg-query -W -f 'peers: ${Package} ${Version}\n' "$package" 2>/dev/null
done
exit 0
