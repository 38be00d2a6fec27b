#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 machine to a compressed model: installs what is missing, builds, fetches SmolLM2-135M-Instruct, compresses it to
# 4 bits, and lets the result speak. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

model=build/models/SmolLM2-135M-Instruct
output=build/quickstart/SmolLM2-135M-Instruct-4bit
prompt="The capital of France is"

say() { echo "== $*"; }
trap 'echo "quickstart: stopped before it was done; run it again to go on" >&2' ERR

scripts/setup.sh
say "building Release into build/release"
cmake --preset release >build/release-configure.log 2>&1 || {
  cat build/release-configure.log >&2
  exit 1
}
cmake --build build/release
say "fetching SmolLM2-135M-Instruct"
.venv/bin/python scripts/fetch_smollm2.py "$model"
say "compressing it to 4 bits"
mkdir -p "$(dirname "$output")"
build/release/bin/pivot compress "$model" -o "$output" --bits 4 --overwrite
say "what the compressed model says"
echo "$prompt$(build/release/bin/pivot generate "$output" --prompt "$prompt" --max-tokens 40 -q)"
say "done: $PWD/$output"
