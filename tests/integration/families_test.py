#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every family of the model table in every format that transformers reads: tiny random models, the same logits there and here."""

import pathlib
import subprocess
import tempfile
import unittest

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from programs import BUILD, pivot

FAMILIES = "llama", "qwen2"
INTEGERS = {f"{bits} bits": ["--bits", str(bits), "--group-size", "32"] for bits in (2, 3, 4, 5, 6, 8)} | {
    "4 bits a row": ["--group-size", "row"]
}
FLOATS = {name: ["--format", name] for name in ("fp8", "nvfp4", "mxfp4")}
TOKENS = torch.arange(48).remainder(250).reshape(2, 24)


class FamiliesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pivot-families-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        save_file({"tokens": TOKENS}, cls.folder / "tokens.safetensors")
        for family in FAMILIES:
            subprocess.run([BUILD / "tests" / "write_tiny_model", cls.folder / family, family], check=True)

    def run_pivot(self, *arguments):
        done = pivot(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)

    def our_logits(self, folder):
        out = folder.with_suffix(".safetensors")
        self.run_pivot("eval", folder, "--tokens", self.folder / "tokens.safetensors", "--logits", out)
        return load_file(out)["logits"]

    @torch.no_grad()
    def their_logits(self, folder, family):
        """Decompressed in bf16, as 4-bit floats always are, then computed in fp32; plain models in fp32 from the start."""
        if "quantization_config" not in (folder / "config.json").read_text():
            return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()(input_ids=TOKENS, use_cache=False).logits
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, local_files_only=True)
        loaded(input_ids=TOKENS[:, :2])  # it decompresses when it is first used
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(self.folder / family), dtype=torch.float32).eval()
        missing, _ = model.load_state_dict({name: tensor.float() for name, tensor in loaded.state_dict().items()}, strict=False)
        self.assertEqual(missing, [])
        return model(input_ids=TOKENS, use_cache=False).logits

    def assert_same_logits(self, folder, family, plain):
        """Weights that are rounded to bf16 on the way move a logit by a part of 2^-9 of itself and its neighbours."""
        ours, theirs = self.our_logits(folder), self.their_logits(folder, family)
        limit = 2e-4 if plain else 2**-7 * ours.abs().max().item()
        self.assertLess((ours - theirs).abs().max().item(), limit)

    def test_every_format_of_compressed_tensors(self):
        for family in FAMILIES:
            for name, options in (INTEGERS | FLOATS).items():
                with self.subTest(f"{family}, {name}"):
                    out = self.folder / f"{family}-{name.replace(' ', '-')}"
                    self.run_pivot("compress", self.folder / family, "-o", out, "--method", "rtn", "--eval", "none", *options)
                    self.assert_same_logits(out, family, plain=False)

    def test_gptq_and_gguf_by_way_of_plain_weights(self):
        for family in FAMILIES:
            both = self.folder / f"{family}-both"
            self.run_pivot(
                "compress", self.folder / family, "-o", both, "--format", "both", "--method", "rtn", "--eval", "none", "--group-size", "32"
            )
            gguf = self.folder / f"{family}-gguf"
            self.run_pivot("convert", both / "gptq", "--format", "gguf", "-o", gguf)
            expected = self.our_logits(both / "compressed-tensors")
            for source in both / "gptq", gguf:
                with self.subTest(f"{family}, {source.name}"):
                    self.assertTrue(torch.equal(self.our_logits(source), expected), "the same weights give the same bits")
                    plain = self.folder / f"{family}-{source.name}-plain"
                    self.run_pivot("convert", source, "--format", "bf16", "-o", plain)
                    self.assert_same_logits(plain, family, plain=True)


if __name__ == "__main__":
    unittest.main()
