#!/bin/sh
# tools/fuzz.sh SECONDS: builds the fuzzers of tests/fuzz with clang, AddressSanitizer and UBSan, and runs each for so
# long on a corpus that starts with tiny files of every accepted format and is kept between runs. A finding ends the
# script with an error and leaves the input in build/fuzz; run it again by build/fuzz/tests/fuzz/FUZZER INPUT.
#
# Needs clang with its runtime (apt-get install clang libclang-rt-14-dev) and a Python with numpy, soundfile, pybind11.
# PYTHON names the Python; BUILD the folder to build in; the corpus lies there too.
set -eu

seconds=${1:?usage: tools/fuzz.sh SECONDS}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
build=${BUILD:-$root/build/fuzz}

cmake -S "$root" -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DSIAMAUDIO_FUZZ=ON -DSIAMAUDIO_CORE=OFF -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" \
  -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" >/dev/null
cmake --build "$build" --parallel 2 --target fuzz_decode fuzz_resample_mel
"$python" "$root/tests/fuzz/make_seeds.py" "$build/corpus"

# A unit may take 25 s and 1 GiB: more is a hang, or a header believed. The second mask silences libmpg123's warnings.
export LSAN_OPTIONS="suppressions=$root/tests/fuzz/leaks.supp:print_suppressions=0"
cd "$build"
for fuzzer in fuzz_decode fuzz_resample_mel; do
  echo "== $fuzzer"
  tests/fuzz/$fuzzer -max_total_time="$seconds" -timeout=25 -rss_limit_mb=1024 -max_len=16384 -close_fd_mask=2 -print_final_stats=1 \
    "corpus/$fuzzer"
done
