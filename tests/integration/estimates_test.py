#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What plans say that jobs take beside what jobs took, as their reports have it: memory within 0.8 to 1.2, time within 0.5 to 2.

Models of shapes that differ, with random weights. Seconds are those of a processor which multiplies as fast as engine/plan/time_estimate.cc
has it and which nobody else uses: what a job took is divided by how much longer it took than its threads computed, and where that is not
enough by how much slower this one multiplies."""

import json
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time
import unittest

import torch
import transformers

from programs import BUILD, REAL_MODEL, pivot

SIZES = dict(vocab_size=49152, max_position_embeddings=4096)
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# FLOP/s of a core as engine/plan/time_estimate.cc has them.
RATES = {"amx_bf16": 600e9, "avx512_bf16": 350e9, "": 80e9}


def product_unit():
    flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    return next(unit for unit in RATES if not unit or unit in flags)


def measured_rate(dtype):
    """Of one thread, over layers of a small model: the best of some tries, for what others do in between."""
    x, weight = torch.randn(2048, 576).to(dtype), torch.randn(1536, 576).to(dtype)
    seconds = []
    for _ in range(20):
        start = time.thread_time()
        torch.nn.functional.linear(x, weight)
        seconds.append(time.thread_time() - start)
    return 2.0 * x.shape[0] * weight.numel() / min(seconds)


def computing_seconds():
    """Of all threads of the programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class EstimatesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        folder = tempfile.TemporaryDirectory(prefix="pivot-estimates-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        subprocess.run([BUILD / "tests" / "write_tiny_model", cls.folder / "tiny", "llama"], check=True)

    def model(self, config, dtype=torch.bfloat16):
        torch.manual_seed(0)
        path = self.folder / self.id().rpartition(".")[2]
        transformers.AutoModelForCausalLM.from_config(config).to(dtype).save_pretrained(path)
        for name in "tokenizer.json", "tokenizer_config.json":
            shutil.copy(REAL_MODEL / name, path)
        return path

    def llama(self, **sizes):
        shape = dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=2, num_attention_heads=9, num_key_value_heads=3)
        return self.model(transformers.LlamaConfig(**SIZES | shape | dict(tie_word_embeddings=True) | sizes))

    def check(self, model, *options):
        """Estimates of the report of such a job."""
        unit = "" if "float32" in options else product_unit()
        start, computed = time.perf_counter(), computing_seconds()
        out = self.folder / f"{model.name}-out"
        done = pivot("compress", model, "-o", out, *options, env=ONE_THREAD)
        self.assertEqual(done.returncode, 0, done.stderr)
        waited = (time.perf_counter() - start) / (computing_seconds() - computed)
        slowness = RATES[unit] / measured_rate(torch.bfloat16 if unit else torch.float32)
        estimates = json.loads((out / "pivot" / "report.json").read_text())["estimates"]
        memory, seconds = estimates["host_bytes"]["ratio"], estimates["seconds"]["ratio"] / max(waited, 1)
        if seconds > 2:
            seconds /= max(slowness, 1)
        name = self.id().rpartition(".")[2]
        print(f"{name}: memory {memory:.2f}, time {seconds:.2f}; {waited:.1f} times waited, {slowness:.1f} times as slow", flush=True)
        self.assertGreaterEqual(memory, 0.8)
        self.assertLessEqual(memory, 1.2)
        self.assertGreaterEqual(seconds, 0.5)
        self.assertLessEqual(seconds, 2)

    def test_calibrated_on_many_short_windows(self):
        self.check(self.llama(), "--samples", "16", "--seq-len", "512", "--eval", "none")

    def test_calibrated_on_few_long_windows_and_evaluated(self):
        self.check(self.llama(num_hidden_layers=1), "--samples", "8", "--seq-len", "2048", "--eval-tokens", "2048")

    def test_calibrated_in_float32(self):
        self.check(self.llama(num_hidden_layers=1), "--samples", "16", "--seq-len", "512", "--eval", "none", "--dtype", "float32")

    def test_rounded(self):
        self.check(self.llama(num_hidden_layers=6), "--method", "rtn", "--eval", "none")

    def test_rounded_and_evaluated(self):
        self.check(self.llama(num_hidden_layers=3), "--method", "rtn", "--eval-tokens", "4096")

    def test_another_family_with_a_head_of_its_own(self):
        shape = dict(hidden_size=512, intermediate_size=1024, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=4, head_dim=64)
        model = self.model(transformers.Qwen3Config(**SIZES | shape | dict(tie_word_embeddings=False)))
        self.check(model, "--samples", "16", "--seq-len", "512", "--eval", "none")

    def test_a_mixture_of_experts(self):
        shape = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)
        model = self.model(transformers.MixtralConfig(**SIZES | shape | dict(num_local_experts=8, num_experts_per_tok=2)))
        self.check(model, "--samples", "16", "--seq-len", "512", "--eval", "none")

    def test_a_plan_that_is_measured(self):
        self.check(self.llama(num_hidden_layers=1), "--bits", "3.5", "--samples", "8", "--seq-len", "512", "--eval", "none")


if __name__ == "__main__":
    unittest.main()
