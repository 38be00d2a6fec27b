#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzzer of tests/fuzz/ for so many seconds (30), two at a time, from the kept corpus: scripts/fuzz.sh [SECONDS [TARGET...]].
# Says how many inputs each ran. What it finds lies in build/fuzz/findings/, new inputs that lead somewhere in build/fuzz/grown/.
# PIVOT_FUZZ_PRESET=asan takes the slower fuzzers of that build, where it is at hand; PIVOT_FUZZ_SEED a beginning that is not random.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
shift || true
if [ $# -eq 0 ]; then
  for folder in tests/fuzz/corpus/*/; do set -- "$@" "$(basename "$folder")"; done
fi
export preset=${PIVOT_FUZZ_PRESET:-fuzz}
mkdir -p build/fuzz/findings build/fuzz/grown build/fuzz/logs

cmake --preset "$preset" >build/fuzz-configure.log || { cat build/fuzz-configure.log >&2; exit 1; }
cmake --build "build/$preset" --target fuzzers >build/fuzz-build.log || { tail -n 80 build/fuzz-build.log >&2; exit 1; }

run() {
  local target=$1 seconds=$2 log=build/fuzz/logs/$1.log options=()
  local dictionary=tests/fuzz/$target.dict
  if [ -f "$dictionary" ]; then options=("-dict=$dictionary"); fi
  mkdir -p "build/fuzz/grown/$target"
  if "build/$preset/fuzzers/${target}_fuzzer" -max_total_time="$seconds" -timeout=10 -seed="${PIVOT_FUZZ_SEED:-0}" -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$target-" "${options[@]}" "build/fuzz/grown/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    echo "ok    $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
  else
    echo "FAIL  $target: $log; the input is the latest build/fuzz/findings/$target-*"
    grep -m 3 -E "ERROR: |runtime error: |SUMMARY: " "$log" || true
    return 1
  fi
}
export -f run
# shellcheck disable=SC2016 # the inner shell expands these
printf '%s\n' "$@" | xargs -P 2 -I{} bash -c 'run "$1" "$2"' _ {} "$seconds"
