#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models as they come from others: in F16 and F32, in FP8 by themselves, in every type of GGUF's blocks."""

import json
import pathlib
import sys
import unittest

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from programs import ROOT, SMALL_RUN, FolderTest, last_object, pivot

sys.path.insert(0, str(ROOT / "tests/golden/gguf"))
from make_golden import blocks_of  # noqa: E402

HIDDEN, HEADS, ROWS = 256, 4, 261
GGUF_TYPES = {
    "attn_q": "Q4_K",
    "attn_k": "Q5_K",
    "attn_v": "Q6_K",
    "attn_output": "Q2_K",
    "ffn_gate": "Q3_K",
    "ffn_up": "Q5_0",
    "ffn_down": "Q5_1",
}
HF_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def weights_of(folder):
    return {name: tensor for path in pathlib.Path(folder).glob("*.safetensors") for name, tensor in load_file(path).items()}


def byte_tokens():
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names = {byte: chr(byte) for byte in shown}
    names |= {byte: chr(256 + i) for i, byte in enumerate(byte for byte in range(256) if byte not in shown)}
    return [names[byte] for byte in range(256)]


class SourceFormatsTest(FolderTest):
    def run_pivot(self, *arguments):
        done = pivot(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def perplexity(self, model):
        return last_object(self.run_pivot("eval", model, "--text", self.text, "--max-tokens", "512", "--json").stdout)["perplexity"]

    def rewrite(self, tensors, **config):
        (self.model / "model.safetensors").unlink()
        save_file(tensors, self.model / "model.safetensors", metadata={"format": "pt"})
        path = self.model / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))

    def test_a_model_is_compressed_from_either_float(self):
        plain, before = weights_of(self.model), self.perplexity(self.model)
        for dtype, name in (torch.float16, "float16"), (torch.float32, "float32"):
            with self.subTest(name):
                self.rewrite({key: tensor.to(dtype) for key, tensor in plain.items()}, torch_dtype=name)
                self.assertAlmostEqual(self.perplexity(self.model), before, delta=0.01 * before)
                done = self.compress("-o", self.folder / name, "--bits", "8")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertAlmostEqual(self.perplexity(self.folder / name), before, delta=0.02 * before)

    def test_values_that_are_infinite_or_become_so_are_named(self):
        plain = weights_of(self.model)
        name = "model.layers.1.mlp.up_proj.weight"
        for dtype, value, phrase in [
            (torch.float16, float("inf"), "not finite"),
            (torch.float32, torch.finfo(torch.float32).max, "too large for BFloat16"),
        ]:
            with self.subTest(phrase):
                tensors = {key: tensor.to(dtype) for key, tensor in plain.items()}
                tensors[name][3, 5] = value
                self.rewrite(tensors)
                done = self.compress("-o", self.folder / "out", "--dtype", "bfloat16")
                self.assertEqual(done.returncode, 1)
                self.assertIn(name, done.stderr)
                self.assertIn(phrase, done.stderr)

    def fp8(self, blocks, scale_name):
        """The tiny model in FP8 with such blocks, o_proj left as it was; and what torch makes of it."""
        tensors, expected = weights_of(self.model), {}
        for name in [name for name in tensors if name.endswith("_proj.weight") and "o_proj" not in name]:
            weight = tensors[name].float()
            rows, columns = weight.shape
            height, width = blocks or (rows, columns)
            padded = torch.nn.functional.pad(weight, (0, -columns % width, 0, -rows % height))
            tiles = padded.reshape(padded.shape[0] // height, height, -1, width)
            scale = tiles.abs().amax((1, 3)) / 448
            wide = scale.repeat_interleave(height, 0)[:rows].repeat_interleave(width, 1)[:, :columns]
            tensors[name] = (weight / wide).to(torch.float8_e4m3fn)
            expected[name] = (tensors[name].float() * wide).to(torch.bfloat16)
            tensors[name.replace("weight", scale_name)] = scale if blocks else scale.reshape([])
        quantization = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "modules_to_not_convert": ["o_proj"]}
        self.rewrite(tensors, quantization_config=quantization | ({"weight_block_size": blocks} if blocks else {}))
        return tensors | expected

    def assert_reads_as(self, expected, source):
        out = self.folder / "plain"
        self.run_pivot("convert", source, "--format", "bf16", "-o", out, "--overwrite")
        found = weights_of(out)
        for name, tensor in found.items():
            self.assertTrue(torch.equal(tensor.float(), expected[name].to(torch.bfloat16).float()), name)
        self.assertGreater(len(found), 10)

    def test_fp8_with_blocks_is_what_torch_makes_of_it(self):
        self.assert_reads_as(self.fp8([48, 32], "weight_scale_inv"), self.model)
        summary = last_object(self.run_pivot("inspect", self.model, "--json").stdout)
        self.assertEqual((summary["format"], summary["problems"]), ("fp8", []))
        done = self.compress("-o", self.folder / "again")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is quantized itself", done.stderr)
        self.run_pivot("verify", self.folder / "again")
        self.assertAlmostEqual(self.perplexity(self.folder / "again"), self.perplexity(self.model), delta=0.2 * self.perplexity(self.model))

    def test_fp8_with_one_scale_is_what_torch_makes_of_it(self):
        for scale_name in "weight_scale", "weight_scale_inv":
            with self.subTest(scale_name):
                self.setUp()
                self.assert_reads_as(self.fp8(None, scale_name), self.model)

    def test_fp8_without_its_scales_is_refused_by_name(self):
        self.fp8([128, 128], "weight_scale_inv")
        tensors = weights_of(self.model)
        missing = "model.layers.0.mlp.up_proj.weight_scale_inv"
        self.rewrite({name: tensor for name, tensor in tensors.items() if name != missing})
        self.assert_refused(pivot("eval", self.model, "--text", self.text), 1, missing)

    def gguf(self):
        """A llama of one block whose tensors are each of another type; and what gguf makes of them."""
        generator, expected = np.random.default_rng(1), {}
        writer = gguf.GGUFWriter(self.folder / "m.gguf", "llama")
        writer.add_block_count(1), writer.add_context_length(512), writer.add_embedding_length(HIDDEN)
        writer.add_feed_forward_length(HIDDEN), writer.add_head_count(HEADS), writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model("gpt2"), writer.add_tokenizer_pre("smollm")
        writer.add_token_list([*byte_tokens(), "he", "th", "in", "er", "<|end|>"])
        writer.add_token_types([1] * 260 + [3]), writer.add_token_merges(["h e", "t h", "i n", "e r"])
        for name in "blk.0.attn_norm", "blk.0.ffn_norm", "output_norm":
            writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, dtype=np.float32))
        shapes = {"token_embd": (ROWS, "Q4_K")} | {f"blk.0.{name}": (HIDDEN, kind) for name, kind in GGUF_TYPES.items()}
        for name, (rows, kind) in shapes.items():
            number = gguf.GGMLQuantizationType[kind]
            blocks = np.concatenate([blocks_of(kind, generator, HIDDEN) for _ in range(rows)]).reshape(rows, -1)
            writer.add_tensor(f"{name}.weight", blocks, raw_dtype=number)
            weight = torch.from_numpy(gguf.quants.dequantize(blocks, number).astype(np.float32))
            if name.endswith(("attn_q", "attn_k")):
                # llama.cpp's converter has interleaved the halves of each head.
                weight = weight.reshape(HEADS, HIDDEN // HEADS // 2, 2, HIDDEN).transpose(1, 2).reshape(HIDDEN, HIDDEN)
            expected[f"model.layers.0.{HF_NAMES[name[6:]]}.weight" if name != "token_embd" else "model.embed_tokens.weight"] = weight
        writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file()
        writer.close()
        norms = ["model.norm.weight", "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight"]
        return expected | {name: torch.ones(HIDDEN) for name in norms}

    def test_every_type_of_blocks_is_what_gguf_makes_of_it(self):
        expected = self.gguf()
        self.assert_reads_as(expected, self.folder / "m.gguf")
        self.run_pivot("convert", self.folder / "m.gguf", "--format", "gguf", "-o", self.folder / "copy")
        self.assert_reads_as(expected, self.folder / "copy" / "model.gguf")

    def test_a_file_of_blocks_is_compressed_again(self):
        self.gguf()
        out = self.folder / "again"
        done = pivot("compress", self.folder / "m.gguf", "-o", out, *SMALL_RUN, "--calibration", self.text, "--eval", self.text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is quantized itself", done.stderr)
        self.run_pivot("verify", out)


if __name__ == "__main__":
    unittest.main()
