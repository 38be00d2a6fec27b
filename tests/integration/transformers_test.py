#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SmolLM2-135M-Instruct, original and compressed, in transformers: the same tokens, logits and perplexity as ours."""

import json
import math
import pathlib
import tempfile
import unittest

import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from programs import BUILD, REAL_MODEL, last_object, pivot

TOKENS = 2560  # a whole window and a part of one
WINDOW = 2048
TEXT = BUILD / "share/pivot/text/evaluation.txt"


def load(folder):
    """In fp32, compressed weights decompressed. Never runs code of the folder."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False, local_files_only=True).eval()


def tensors_of(folder):
    tensors = {}
    for path in folder.glob("*.safetensors"):
        tensors |= load_file(path)
    return tensors


@torch.no_grad()
def perplexity(model, ids):
    """Windows of 2048, the last one partial, the first token of each not scored; losses summed in fp64."""
    total, predicted = 0.0, 0
    for window in ids.split(WINDOW):
        logits = model(input_ids=window[None], use_cache=False).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="none").double().sum().item()
        predicted += len(window) - 1
    return math.exp(total / predicted)


@torch.no_grad()
def outputs_of_linears(model, windows):
    """The output of every linear of the decoder blocks, by module, tokens as rows."""
    outputs, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and ".layers." in name:
            hooks.append(module.register_forward_hook(lambda _, __, output, name=name: outputs.__setitem__(name, output.flatten(0, 1).double())))
    model(input_ids=windows, use_cache=False)
    for hook in hooks:
        hook.remove()
    return outputs


class TransformersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pivot-transformers-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.ids = torch.tensor(Tokenizer.from_file(str(REAL_MODEL / "tokenizer.json")).encode(TEXT.read_text(encoding="utf-8")).ids[:TOKENS])

    def compress(self, name, *options):
        out = self.folder / name
        done = pivot("compress", REAL_MODEL, "-o", out, "--eval", "none", *options, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def our_perplexity(self, folder, tokens=TOKENS):
        done = pivot("eval", folder, "--text", TEXT, "--max-tokens", str(tokens), "--json", timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        return last_object(done.stdout)["perplexity"]

    def assert_same_perplexity(self, folder, relative):
        ours, theirs = self.our_perplexity(folder), perplexity(load(folder), self.ids)
        print(f"{folder.name}: perplexity {ours:.4f} here, {theirs:.4f} in transformers")
        self.assertAlmostEqual(ours, theirs, delta=relative * theirs)

    def test_original_has_the_same_perplexity(self):
        self.assert_same_perplexity(REAL_MODEL, 0.0005)

    def test_four_bits_by_gptq_have_the_same_perplexity(self):
        self.assert_same_perplexity(self.compress("4-bit", "--bits", "4", "--samples", "4", "--seq-len", "256"), 0.001)

    def test_output_errors_in_the_report_are_those_of_the_published_folder(self):
        samples, length, seed = 2, 96, 3
        options = "--samples", str(samples), "--seq-len", str(length), "--seed", str(seed), "--calibration", TEXT, "--dtype", "float32"
        folder = self.compress("3-bit-gptq", "--bits", "3", *options)
        ids = torch.tensor(Tokenizer.from_file(str(REAL_MODEL / "tokenizer.json")).encode(TEXT.read_text(encoding="utf-8")).ids)
        starts = torch.randint(0, len(ids) - length + 1, (samples,), generator=torch.Generator().manual_seed(seed))
        windows = torch.stack([ids[start : start + length] for start in starts.tolist()])
        original, published = (outputs_of_linears(load(path), windows) for path in (REAL_MODEL, folder))
        report = json.loads((folder / "pivot" / "report.json").read_text(encoding="utf-8"))
        linears = [linear for block in report["blocks"] for linear in block["linears"]]
        self.assertEqual(len(linears), 210)
        farthest = 0
        for linear in linears:
            name = linear["name"]
            expected = ((original[name] - published[name]).square().sum() / original[name].square().sum()).item()
            self.assertAlmostEqual(linear["output_error"], expected, delta=0.01 * expected, msg=name)
            farthest = max(farthest, abs(linear["output_error"] / expected - 1))
        print(f"output errors: at most {farthest:.2%} apart, largest {max(linear['output_error'] for linear in linears):.4f}")

    def test_three_bits_have_the_same_perplexity(self):
        """3 bits cross word borders; their packing changed in compressed-tensors 0.18."""
        self.assert_same_perplexity(self.compress("3-bit", "--bits", "3", "--method", "rtn"), 0.001)

    def test_a_narrow_embedding_has_the_same_perplexity(self):
        """8-bit floats without scales, which loaders widen into the model's dtype."""
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps({"schema": 1, "rules": [{"match": "model.embed_tokens", "bits": 8}]}), encoding="utf-8")
        folder = self.compress("narrow", "--plan", plan, "--method", "rtn")
        stored = tensors_of(folder)["model.embed_tokens.weight"]
        self.assertEqual(stored.dtype, torch.float8_e4m3fn)
        model = load(folder)
        self.assertTrue(torch.equal(model.lm_head.weight, stored.float()))
        self.assertEqual(AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).model.embed_tokens.weight.dtype, torch.bfloat16)
        self.assert_same_perplexity(folder, 0.001)

    def test_four_bit_floats_have_the_same_perplexity(self):
        """The library decompresses them in bf16; then the weights go into a model that computes in fp32. families_test.py has the other formats."""
        folder = self.compress("nvfp4", "--format", "nvfp4", "--method", "rtn")
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, local_files_only=True)
        with torch.no_grad():
            loaded(input_ids=self.ids[None, :2])  # it decompresses when it is first used
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(REAL_MODEL), dtype=torch.float32).eval()
        missing, _ = model.load_state_dict({name: tensor.float() for name, tensor in loaded.state_dict().items()}, strict=False)
        self.assertEqual(missing, [])
        ours, theirs = self.our_perplexity(folder, 512), perplexity(model, self.ids[:512])
        print(f"nvfp4: perplexity {ours:.4f} here, {theirs:.4f} in transformers")
        # What it rounds to bf16 has one digit less.
        self.assertAlmostEqual(ours, theirs, delta=0.002 * theirs)

    def test_zero_points_are_what_compressed_tensors_reads_and_survive_conversions(self):
        """By the library's own decompression: transformers 5.24 gives asymmetric layers the wrong shapes with compressed-tensors 0.20."""
        packed = self.compress("asymmetric", "--bits", "4", "--asymmetric", "--method", "rtn")
        for source, name, form in (packed, "gptq_v2", "gptq_v2"), (self.folder / "gptq_v2", "plain", "bf16"):
            done = pivot("convert", source, "--format", form, "-o", self.folder / name, "--shard-size", "60MB")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(pivot("verify", self.folder / "gptq_v2").returncode, 0)
        stored, plain = tensors_of(packed), tensors_of(self.folder / "plain")
        arguments = QuantizationArgs(num_bits=4, symmetric=False, strategy="group", group_size=64)
        scheme = QuantizationScheme(targets=[], weights=arguments)
        for module in "model.layers.0.self_attn.k_proj", "model.layers.29.mlp.down_proj":
            names = "weight_packed", "weight_scale", "weight_shape", "weight_zero_point"
            theirs = PackedQuantizationCompressor.decompress({name: stored[f"{module}.{name}"] for name in names}, scheme)["weight"]
            self.assertTrue(torch.equal(theirs.bfloat16(), plain[f"{module}.weight"]), module)
        self.assert_same_perplexity(self.folder / "plain", 0.0005)

    def test_original_has_the_same_logits(self):
        tokens = self.ids[:96].reshape(2, 48)
        save_file({"tokens": tokens}, self.folder / "tokens.safetensors")
        out = self.folder / "logits.safetensors"
        done = pivot("eval", REAL_MODEL, "--tokens", self.folder / "tokens.safetensors", "--logits", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        ours = load_file(out)["logits"]
        with torch.no_grad():
            theirs = load(REAL_MODEL)(input_ids=tokens, use_cache=False).logits
        self.assertEqual(ours.shape, theirs.shape)
        # fp32 sums of 576 to 1536 products in another order, thirty blocks deep: eps * sqrt(30 * 1536) * |logit| ~ 6e-4.
        self.assertLess((ours - theirs).abs().max().item(), 6e-4)

    def test_tokenize_gives_what_tokenizers_gives(self):
        lines = ["The capital of France is Paris.", "", "naïve café — 12,345 \u4f60\u597d \U0001f600", "<|im_start|>user\nHi<|im_end|>"]
        path = self.folder / "lines.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        done = pivot("tokenize", REAL_MODEL, "--jsonl", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        reference = Tokenizer.from_file(str(REAL_MODEL / "tokenizer.json"))
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], [reference.encode(line).ids for line in lines])


if __name__ == "__main__":
    unittest.main()
