#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every family and rotary embedding of the model table: the logits of transformers, plain and compressed."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from programs import BUILD, pivot

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import tiny_families  # noqa: E402

LENGTHS = 1, 7, 64, 96  # the last is longer than four sliding windows, and than what the longer contexts were stretched from
LIMIT = 2e-4


class ArchitecturesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pivot-architectures-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        subprocess.run([BUILD / "tests" / "write_tiny_model", cls.folder / "tokenizer", "llama"], check=True)
        generator = torch.Generator().manual_seed(1)
        cls.tokens = torch.randint(3, 260, (2, LENGTHS[-1]), generator=generator)
        for length in LENGTHS:
            save_file({"tokens": cls.tokens[:, :length].contiguous()}, cls.folder / f"tokens-{length}.safetensors")
        cls.models = {}

    def model(self, name):
        """The model as transformers computes it; its folder is written first."""
        if name not in self.models:
            self.models[name] = tiny_families.write(name, self.folder / name, self.folder / "tokenizer" / "tokenizer.json")
        return self.models[name]

    def run_pivot(self, *arguments):
        done = pivot(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)

    def our_logits(self, folder, length):
        out = self.folder / "logits.safetensors"
        self.run_pivot("eval", folder, "--tokens", self.folder / f"tokens-{length}.safetensors", "--logits", out)
        return load_file(out)["logits"]

    @torch.no_grad()
    def their_logits(self, model, length):
        return model(input_ids=self.tokens[:, :length], use_cache=False).logits

    def test_plain_models_give_the_same_logits(self):
        """Shorter texts are the beginnings of the longest, but for embeddings that are stretched by a text's length."""
        for name in tiny_families.FAMILIES:
            with self.subTest(name):
                model = self.model(name)
                longest = self.our_logits(self.folder / name, LENGTHS[-1])
                for length in LENGTHS:
                    ours = self.our_logits(self.folder / name, length) if name == "phi3-longrope" else longest[:, :length]
                    self.assertLess((ours - self.their_logits(model, length)).abs().max().item(), LIMIT, length)

    def test_a_changed_model_gives_others(self):
        name = "llama"
        model = self.model(name)
        ours = self.our_logits(self.folder / name, 64)
        model.lm_head.weight.data[5, 5] += 0.05
        self.assertGreater((ours - self.their_logits(model, 64)).abs().max().item(), LIMIT)
        model.lm_head.weight.data[5, 5] -= 0.05

    @torch.no_grad()
    def test_compressed_models_load_and_give_the_same_logits(self):
        """Calibrated by GPTQ with everything a job does by default; decompressed there in fp32."""
        for name in tiny_families.FAMILIES:
            if "-" in name:
                continue
            with self.subTest(name):
                self.model(name)
                out = self.folder / f"{name}-4bit"
                text = ["--calibration", self.folder / "tokenizer.txt", "--samples", "8", "--seq-len", "64", "--eval", "none"]
                self.run_pivot("compress", self.folder / name, "-o", out, "--group-size", "32", *text)
                model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, local_files_only=True, attn_implementation="eager").eval()
                theirs = self.their_logits(model, 64)
                self.assertLess((self.our_logits(out, 64) - theirs).abs().max().item(), LIMIT * 5)


if __name__ == "__main__":
    unittest.main()
