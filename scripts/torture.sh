#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What takes too long for scripts/test.sh: scripts/torture.sh [STEP...]. Without steps all of them, one after the other. Needs scripts/setup.sh --tests.
set -euo pipefail
cd "$(dirname "$0")/.."

# Ten minutes of each fuzzer of tests/fuzz/.
step_fuzz() { scripts/fuzz.sh 600; }

# Thousands of random tokenizers and texts against PyPI's tokenizers and sentencepiece. Needs build/dev and build/models.
step_tokenizers() {
  .venv/bin/python tests/engine/tokenizer/parity_test.py build/dev/tests/encode_lines build/models/SmolLM2-135M-Instruct build/text/evaluation.txt \
    --random-texts 3000 --random-tokenizers 2000 --seed "$RANDOM"
}

steps=(fuzz tokenizers)
if [ $# -gt 0 ]; then steps=("$@"); fi
for step in "${steps[@]}"; do
  echo "== $step"
  "step_$step"
done
