#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, then lints, builds and runs every test that needs no GPU: whole programs and arithmetic as users get them (dev), all
# unit tests and fuzzers under AddressSanitizer with UBSan, those of the server's parts under ThreadSanitizer. Safe to run again; with a warm ccache it takes a few minutes.
# Kernels are compiled for one GPU architecture, unless PIVOT_TEST_CUDA_ARCHITECTURES names others.
set -euo pipefail
cd "$(dirname "$0")/.."

start=$SECONDS
say() { echo "== [$((SECONDS - start)) s] $*"; }
trap 'echo "test: FAILED, see above" >&2' ERR

quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || {
    tail -n 80 "$log" >&2
    echo "test: the whole log is $log" >&2
    return 1
  }
}

# build PRESET TARGET...
build() {
  local preset=$1
  shift
  say "building $preset"
  quietly "build/$preset-configure.log" cmake --preset "$preset" -DCMAKE_CUDA_ARCHITECTURES="${PIVOT_TEST_CUDA_ARCHITECTURES:-90a-real}"
  quietly "build/$preset-build.log" cmake --build "build/$preset" --target "$@"
}

say "installing what is missing"
scripts/setup.sh --tests
quietly build/model.log .venv/bin/python scripts/fetch_smollm2.py build/models/SmolLM2-135M-Instruct
build dev native_checks
say "linting"
scripts/lint.sh
say "testing dev"
ctest --preset dev -L "native|integration|interop"
build asan all
say "testing under AddressSanitizer and UBSan"
ctest --preset asan
say "fuzzing what reads files of others, 30 s each"
# The same inputs every time: a check should not fail by chance.
PIVOT_FUZZ_PRESET=asan PIVOT_FUZZ_SEED=1 scripts/fuzz.sh 30
# What calls through gRPC cannot be looked at: Debian's library is not instrumented, and its locks are not seen.
build tsan server_units_test
say "testing the server's parts under ThreadSanitizer"
ctest --preset tsan -R server_units_test
.venv/bin/python scripts/gpu_runs.py check
say "all tests passed"
