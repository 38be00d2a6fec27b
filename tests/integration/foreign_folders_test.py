#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Folders as other tools write them: made with the library that llm-compressor saves with, of every preset whose weights we read."""

import json
import shutil
import unittest

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig, QuantizationStrategy, preset_name_to_scheme
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from safetensors.torch import load_file, save_file

from programs import FolderTest, last_object, pivot

FORMATS = {
    "W4A16": "pack-quantized",
    "W8A16": "pack-quantized",
    "W3A16": "pack-quantized",
    "W4A16_ASYM": "pack-quantized",
    "FP8": "float-quantized",
    "FP8_DYNAMIC": "float-quantized",
    "FP8_BLOCK": "float-quantized",
    "NVFP4A16": "nvfp4-pack-quantized",
    "NVFP4": "nvfp4-pack-quantized",
    "MXFP4A16": "mxfp4-pack-quantized",
}
GROUP_SIZE = 32  # what divides the tiny model's columns


def scheme_of(preset):
    scheme = preset_name_to_scheme(preset, ["Linear"])
    if scheme.weights.strategy == QuantizationStrategy.GROUP and scheme.weights.type == "int":
        scheme.weights.group_size = GROUP_SIZE
    return scheme


def blocks_of(weight, arguments):
    """The weight with the elements that share a scale in the last dimension; all but it have the shape of the scales."""
    rows, columns = weight.shape
    if arguments.strategy == QuantizationStrategy.TENSOR:
        return weight.reshape(1, -1)
    if arguments.strategy == QuantizationStrategy.CHANNEL:
        return weight.reshape(rows, 1, columns)
    if arguments.strategy == QuantizationStrategy.BLOCK:
        height, width = arguments.block_structure
        padded = torch.nn.functional.pad(weight, (0, -columns % width, 0, -rows % height))
        tiles = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
        return tiles.transpose(1, 2).flatten(2)
    return weight.reshape(rows, -1, arguments.group_size)


def compress(weight, scheme, compressor):
    """The tensors of one layer, and what the library decompresses them to."""
    arguments, state = scheme.weights, {"weight": weight}
    blocks = blocks_of(weight.float(), arguments)
    lowest, highest = blocks.amin(-1), blocks.amax(-1)
    if arguments.strategy == QuantizationStrategy.TENSOR_GROUP:
        state["weight_global_scale"] = generate_gparam(lowest.min(), highest.max())
    scale, zero_point = calculate_qparams(lowest, highest, arguments, global_scale=state.get("weight_global_scale"))
    state |= {"weight_scale": scale if arguments.scale_dtype else scale.to(weight.dtype), "weight_zero_point": zero_point}
    stored = compressor.compress(state, scheme)
    return stored, compressor.decompress(dict(stored), scheme)["weight"]


class ForeignFoldersTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.plain = {name: tensor for path in self.model.glob("*.safetensors") for name, tensor in load_file(path).items()}
        self.layers = [name for name in self.plain if name.endswith("_proj.weight")]

    def write(self, preset):
        """The folder, and the weights that the library reads from it."""
        scheme, file_format = scheme_of(preset), FORMATS[preset]
        compressor = BaseCompressor.get_value_from_registry(file_format)
        folder = self.folder / preset
        shutil.copytree(self.model, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.index.json"))
        tensors, expected = dict(self.plain), {}
        for name in self.layers:
            stored, expected[name] = compress(tensors.pop(name), scheme, compressor)
            tensors |= {f"{name.removesuffix('weight')}{part}": tensor.contiguous() for part, tensor in stored.items()}
            if scheme.input_activations is not None and not scheme.input_activations.dynamic:
                tensors[f"{name.removesuffix('weight')}input_scale"] = torch.ones(1)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((self.model / "config.json").read_text())
        quantization = QuantizationConfig(
            config_groups={"group_0": scheme}, format=file_format, quantization_status="compressed", ignore=["lm_head"]
        )
        config["quantization_config"] = json.loads(quantization.model_dump_json()) | {"version": "0.20.0"}
        (folder / "config.json").write_text(json.dumps(config))
        return folder, expected

    def test_weights_are_those_that_the_library_reads(self):
        for preset in FORMATS:
            with self.subTest(preset):
                folder, expected = self.write(preset)
                done = pivot("verify", folder)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                plain = self.folder / f"{preset}-plain"
                done = pivot("convert", folder, "--format", "bf16", "-o", plain)
                self.assertEqual(done.returncode, 0, done.stderr)
                ours = {name: tensor for path in plain.glob("*.safetensors") for name, tensor in load_file(path).items()}
                self.assertEqual(set(ours), set(self.plain))
                for name in self.layers:
                    difference = (ours[name].float() - expected[name].float()).abs()
                    # The library rounds 4-bit floats to bf16 between their factors; a step of bf16 is 2^-8.
                    limit = 2**-7 * ours[name].float().abs() if "FP4" in preset else torch.zeros(())
                    self.assertTrue(torch.all(difference <= limit), f"{name}: {difference.max()}")

    def test_activations_are_left_alone_and_that_is_said(self):
        folder, _ = self.write("FP8_DYNAMIC")
        done = pivot("eval", folder, "--text", self.text, "--max-tokens", "512")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("has serving runtimes quantize activations", done.stderr)
        done = pivot("eval", folder, "--text", self.text, "--max-tokens", "512", "--json")
        self.assertRegex(done.stderr, r"\Awarning: [^\n]*has serving runtimes quantize activations[^\n]*\n\Z")
        self.assertGreater(last_object(done.stdout)["perplexity"], 1)
        weights_only, _ = self.write("NVFP4A16")
        done = pivot("eval", weights_only, "--text", self.text, "--max-tokens", "512")
        self.assertNotIn("activations", done.stderr)
        self.assert_refused(
            pivot("convert", folder, "--format", "compressed-tensors", "-o", self.folder / "again"), 1, "quantize activations too", "bf16"
        )

    def test_weights_of_eight_bits_beside_activations_are_refused_by_name(self):
        folder = self.folder / "int8"
        shutil.copytree(self.model, folder)
        config = json.loads((folder / "config.json").read_text())
        quantization = QuantizationConfig(config_groups={"group_0": preset_name_to_scheme("W8A8", ["Linear"])}, format="int-quantized")
        config["quantization_config"] = json.loads(quantization.model_dump_json())
        (folder / "config.json").write_text(json.dumps(config))
        self.assert_refused(pivot("eval", folder, "--text", self.text), 1, 'the format "int-quantized"')


if __name__ == "__main__":
    unittest.main()
