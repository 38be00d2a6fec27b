#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes blocks.safetensors with PyPI's gguf: of every type of blocks TYPE.blocks, random bytes with finite scales, and
TYPE.weights, what gguf.quants.dequantize makes of them."""

import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

# Where a block has its binary16 numbers.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0]}
HALVES |= {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
COLUMNS = 512


def blocks_of(name, generator, columns=COLUMNS):
    """Bytes of a row of so many columns."""
    size, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = generator.integers(0, 256, (columns // size, block_bytes), dtype=np.uint8)
    for place in HALVES[name]:
        halves = generator.normal(0, 0.01, columns // size).astype(np.float16)
        blocks[:, place : place + 2] = halves.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(-1)


def main():
    generator = np.random.default_rng(0)
    tensors = {}
    for name in HALVES:
        blocks = blocks_of(name, generator)
        weights = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name])
        tensors |= {f"{name}.blocks": blocks, f"{name}.weights": weights.astype(np.float32).reshape(-1)}
    target = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "blocks.safetensors"
    save_file(tensors, target)


if __name__ == "__main__":
    main()
