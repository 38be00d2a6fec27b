#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Format, layers, proto, links, and clang-tidy on changed files (--all: on every file). Needs scripts/setup.sh --tests and a configured
# build/dev for clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
failed=no

check() {
  local name=$1
  shift
  if "$@"; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    failed=yes
  fi
}

sources() { git ls-files -co --exclude-standard -- '*.h' '*.cc' '*.cu' '*.cuh' | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

check_format() { sources | xargs "$bin/clang-format" --dry-run -Werror; }
check_cmake() { git ls-files -co --exclude-standard -- '*CMakeLists.txt' '*.cmake' | xargs "$bin/gersemi" --check --quiet; }
check_shell() { git ls-files -co --exclude-standard -- '*.sh' .ci/run | xargs shellcheck; }

# buf wants google/rpc beside ours; the breaking check compares with the commit before, where there is one.
check_proto() {
  local work before ok=yes
  work=$(mktemp -d)
  before=$(mktemp -d)
  cp -r proto/. "$work"
  mkdir -p "$work/google" "$before/google"
  cp -r "$bin"/../lib/python3*/site-packages/google/rpc "$work/google/"
  "$bin/buf" lint "$work" || ok=no
  (cd "$work" && "$bin/buf" format -d --exit-code --path pivot) || ok=no
  if git cat-file -e HEAD~1:proto/buf.yaml 2>/dev/null; then
    git archive HEAD~1 proto | tar -x -C "$before" --strip-components=1
    cp -r "$work/google" "$work/buf.yaml" "$before/"
    "$bin/buf" breaking "$work" --against "$before" || ok=no
  fi
  rm -rf "$work" "$before"
  [ $ok = yes ]
}

# Changed since the commit before, or not committed yet.
changed_sources() {
  { git diff --name-only --diff-filter=d HEAD~1 -- '*.cc' 2>/dev/null || true; git ls-files -o --exclude-standard -- '*.cc'; } | sort -u
}
check_tidy() {
  local files
  if [ "${1:-}" = --all ]; then files=$(git ls-files -- '*.cc'); else files=$(changed_sources); fi
  # Only what the dev build compiles has a command to check with.
  files=$(for f in $files; do grep -q "\"$PWD/$f\"" build/dev/compile_commands.json && echo "$f"; done)
  [ -z "$files" ] && return
  local logs ok=yes
  logs=$(mktemp -d)
  # A log for each run, so that findings do not mix; xargs says whether any run failed.
  # shellcheck disable=SC2016 # the inner shell expands these
  echo "$files" | xargs -P "$(nproc)" -I{} sh -c '"$0" -p build/dev --quiet --extra-arg=-Wno-ignored-gch --extra-arg=-Wno-unknown-warning-option "$1" >"$2/$$" 2>&1' \
    "$bin/clang-tidy" {} "$logs" || ok=no
  [ $ok = yes ] || cat "$logs"/* | grep -v -E 'warnings? (generated|treated)|Suppressed|^Use -header-filter|^Error while processing'
  rm -rf "$logs"
  [ $ok = yes ]
}

check "clang-format" check_format
check "cmake format" check_cmake
check "shellcheck" check_shell
check "layers and sizes" python3 scripts/check_layers.py
check "links in documents" python3 scripts/check_links.py
check "reasons in docs/api.md" python3 scripts/check_reasons.py
check "proto" check_proto
if [ -f build/dev/compile_commands.json ]; then
  check "clang-tidy" check_tidy "$@"
else
  echo "skip  clang-tidy: build/dev is not configured"
fi
[ $failed = no ]
