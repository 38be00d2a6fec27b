#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, then lints, builds and runs every test that needs no GPU: the dev build with everything, AddressSanitizer with UBSan over the
# unit tests, ThreadSanitizer over the server's. Safe to run again; with a warm ccache it takes a few minutes.
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

build() {
  say "building $1"
  quietly "build/$1-configure.log" cmake --preset "$1"
  quietly "build/$1-build.log" cmake --build "build/$1"
}

say "installing what is missing"
scripts/setup.sh --tests
quietly build/model.log .venv/bin/python scripts/fetch_smollm2.py build/models/SmolLM2-135M-Instruct
build dev
say "linting"
scripts/lint.sh
say "testing dev"
ctest --preset dev -LE gpu
build asan
say "testing under AddressSanitizer and UBSan"
ctest --preset asan
build tsan
say "testing the server under ThreadSanitizer"
ctest --preset tsan
.venv/bin/python scripts/gpu_runs.py check
say "all tests passed"
