#!/usr/bin/env bash
# The kernels of the networks under sanitizers: address and undefined behaviour through the whole layers' tests, threads
# through the tests that have no torch in them (LibTorch's OpenMP threads are not instrumented).
#
#   tools/sanitize.sh            with the Python that has torch and pybind11 first on PATH, and GoogleTest installed
set -euo pipefail
cd "$(dirname "$0")/.."

check() { # folder, sanitizers, tests
  cmake -S . -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DSIAMAUDIO_AUDIO=OFF -DSIAMAUDIO_TESTS=ON \
    -Dpybind11_DIR="$(python -m pybind11 --cmakedir)" -DPython_EXECUTABLE="$(command -v python)" \
    -DCMAKE_CXX_FLAGS="-fsanitize=$2 -fno-sanitize-recover=all -fno-omit-frame-pointer -O1" >"$1.log"
  # shellcheck disable=SC2086
  ninja -C "$1" $3
  for test in $3; do "$1/cpp/tests/$test"; done
}

mkdir -p build
# LibTorch keeps what it allocates once until the end.
ASAN_OPTIONS=detect_leaks=0 check build/asan address,undefined "test_kernel_threads test_fused"
check build/tsan thread test_kernel_threads
