#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our GPTQ folders of SmolLM2-135M-Instruct in GPTQModel, with its Torch kernel on the CPU: the same weights, bit for bit.

Registered where build/gptqmodel is a virtual environment with GPTQModel, which takes minutes and is no part of scripts/setup.sh:

    python3 -m venv build/gptqmodel
    ls -d "$PWD"/.venv/lib/python3*/site-packages > "$(ls -d build/gptqmodel/lib/python3*/site-packages)/shared.pth"
    build/gptqmodel/bin/pip install --no-deps setuptools==81.0.0 wheel==0.48.0
    BUILD_CUDA_EXT=0 build/gptqmodel/bin/pip install --no-deps --no-build-isolation -r scripts/requirements-gptqmodel.txt
"""

import math
import os
import pathlib
import tempfile
import unittest

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
from gptqmodel import BACKEND, GPTQModel
from safetensors.torch import load_file
from tokenizers import Tokenizer

from programs import BUILD, REAL_MODEL, last_object, pivot

TEXT = BUILD / "share/pivot/text/evaluation.txt"
TOKENS = 512
LAYERS = ("model.layers.0.self_attn.k_proj", "model.layers.3.mlp.down_proj", "model.layers.29.mlp.gate_proj")


class GptqModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pivot-gptqmodel-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        done = pivot("compress", REAL_MODEL, "-o", cls.folder / "gptq", "--format", "gptq", "--method", "rtn", "--eval", "none")
        assert done.returncode == 0, done.stderr
        for form in "gptq_v2", "bf16":
            done = pivot("convert", cls.folder / "gptq", "--format", form, "-o", cls.folder / form)
            assert done.returncode == 0, done.stderr
        cls.weights = {}
        for path in (cls.folder / "bf16").glob("*.safetensors"):
            cls.weights |= load_file(path)
        ids = Tokenizer.from_file(str(REAL_MODEL / "tokenizer.json")).encode(TEXT.read_text(encoding="utf-8")).ids
        cls.ids = torch.tensor(ids[:TOKENS])

    def expect_agreement(self, name):
        model = GPTQModel.load(str(self.folder / name), device="cpu", backend=BACKEND.TORCH, trust_remote_code=False, dtype=torch.bfloat16)
        for layer in LAYERS:
            theirs = model.model.get_submodule(layer).dequantize_weight()
            self.assertTrue(torch.equal(theirs.T, self.weights[f"{layer}.weight"]), layer)
        with torch.no_grad():
            logits = model.model(input_ids=self.ids[None], use_cache=False).logits[0, :-1].float()
        theirs = math.exp(torch.nn.functional.cross_entropy(logits, self.ids[1:]).item())
        done = pivot("eval", self.folder / name, "--text", TEXT, "--max-tokens", str(TOKENS), "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        ours = last_object(done.stdout)["perplexity"]
        print(f"{name}: perplexity {ours:.4f} here in fp32, {theirs:.4f} in GPTQModel in bf16")
        # bf16 has 8 bits: its rounding moves the mean loss by far less than one of its steps, 0.4 %.
        self.assertAlmostEqual(ours, theirs, delta=0.01 * theirs)

    def test_loads_the_first_format(self):
        self.expect_agreement("gptq")

    def test_loads_the_second_format(self):
        self.expect_agreement("gptq_v2")


if __name__ == "__main__":
    unittest.main()
