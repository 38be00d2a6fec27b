#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every family and rotary embedding of the model table: the logits of transformers, plain and compressed."""

import copy
import json
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
MIXTURES = "qwen3_moe", "mixtral"
# In bf16 a token whose router hesitates goes to other experts.
ROUTED = [name for name in tiny_families.FAMILIES if name.startswith(MIXTURES)]


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
        return self.logits_of(folder, self.folder / f"tokens-{length}.safetensors", "float32")

    def logits_of(self, folder, tokens, dtype):
        out = self.folder / "logits.safetensors"
        self.run_pivot("eval", folder, "--tokens", tokens, "--logits", out, "--dtype", dtype)
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

    @torch.no_grad()
    def test_perplexities_in_bf16_are_those_of_transformers(self):
        """Over enough tokens for what rounding makes of each to cancel out."""
        tokens = torch.randint(3, 260, (24, LENGTHS[-1]), generator=torch.Generator().manual_seed(2))
        save_file({"tokens": tokens}, self.folder / "many-tokens.safetensors")

        def perplexity(logits):
            return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).double(), tokens[:, 1:].flatten()).exp().item()

        for name in tiny_families.FAMILIES:
            if name in ROUTED:
                continue
            with self.subTest(name):
                model = copy.deepcopy(self.model(name)).to(torch.bfloat16)
                theirs = perplexity(model(input_ids=tokens, use_cache=False).logits.float())
                ours = perplexity(self.logits_of(self.folder / name, self.folder / "many-tokens.safetensors", "bfloat16"))
                self.assertLess(abs(ours / theirs - 1), 1e-3, (ours, theirs))

    def test_a_changed_model_gives_others(self):
        name = "llama"
        model = self.model(name)
        ours = self.our_logits(self.folder / name, 64)
        model.lm_head.weight.data[5, 5] += 0.05
        self.assertGreater((ours - self.their_logits(model, 64)).abs().max().item(), LIMIT)
        model.lm_head.weight.data[5, 5] -= 0.05

    def compress(self, name):
        self.model(name)
        out = self.folder / f"{name}-4bit"
        text = ["--calibration", self.folder / "tokenizer.txt", "--samples", "8", "--seq-len", "64", "--eval", "none"]
        self.run_pivot("compress", self.folder / name, "-o", out, "--group-size", "32", *text)
        return out

    def load(self, folder):
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True, attn_implementation="eager").eval()

    @torch.no_grad()
    def test_compressed_models_load_and_give_the_same_logits(self):
        """Calibrated by GPTQ with everything a job does by default; decompressed there in fp32."""
        for name in tiny_families.FAMILIES:
            if "-" in name or name in MIXTURES:
                continue
            with self.subTest(name):
                out = self.compress(name)
                theirs = self.their_logits(self.load(out), 64)
                self.assertLess((self.our_logits(out, 64) - theirs).abs().max().item(), LIMIT * 5)

    @torch.no_grad()
    def test_compressed_mixtures_load_with_the_same_weights(self):
        """transformers 5.24 decompresses experts to bf16 whatever dtype is asked for: every weight is compared with that of the folder
        in bf16, whose logits are compared then."""
        for name in MIXTURES:
            with self.subTest(name):
                out = self.compress(name)
                plain = self.folder / f"{name}-bf16"
                self.run_pivot("convert", out, "--format", "bf16", "-o", plain)
                theirs = self.load(plain)
                model = self.load(out)
                self.their_logits(model, 1)  # decompresses all but the experts
                loaded = dict(model.named_parameters())
                for parameter, values in theirs.named_parameters():
                    self.assertTrue(torch.equal(loaded[parameter].bfloat16(), values.bfloat16()), parameter)
                self.assertLess((self.our_logits(plain, 64) - self.their_logits(theirs, 64)).abs().max().item(), LIMIT)
                # The bf16 folder stands for the compressed one: rounding the weights moves logits of about 3.5 by some hundredths, but those
                # of a token whose router hesitates, which may go to other experts. On each machine that is another token.
                moved = (self.our_logits(out, 64) - self.our_logits(plain, 64)).abs().amax(-1).flatten().sort().values
                self.assertLess(moved[-1 - len(moved) // 50].item(), 0.1)

    def test_the_report_lists_every_expert(self):
        out = self.compress("qwen3_moe-step")
        blocks = json.loads((out / "pivot" / "report.json").read_text())["blocks"]
        experts = [[layer for layer in block["linears"] if ".experts." in layer["name"]] for block in blocks]
        self.assertEqual([len(layers) for layers in experts], [0, 18, 0, 18])
        for layers in experts[1::2]:
            self.assertEqual(sum(layer["tokens"] for layer in layers), 3 * 2 * 8 * 64)
            self.assertLessEqual({layer["fallback"] for layer in layers}, {"none", "shared", "all_experts"})


if __name__ == "__main__":
    unittest.main()
