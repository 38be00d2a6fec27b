#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layer-wise stage beside the loop of OneComp 1.1 (QEP with GPTQ), written in plain PyTorch from its description, on the same cores.

    onecomp_loop.py BUILD [--shape smollm2-135m] [--samples 64] [--seq-len 512] [--blocks 3]

Per block OneComp runs both streams through the whole block once for each of the four groups of layers and once more at the end (ten forwards), sums
H and C in fp32 at the group's input, corrects all layers but down_proj, and quantizes column by column in panels of 128 with error feedback; scales
from the largest magnitude when a group begins. BUILD is a build folder with bin/layerwise_benchmark, which runs Pivot's defaults.
"""

import argparse
import os
import re
import subprocess
import time

import torch
import torch.nn.functional as F

SHAPES = {  # hidden, intermediate, heads, key/value heads, head size, group
    "smollm2-135m": (576, 1536, 9, 3, 64, 64),
    "llama-3-8b": (4096, 14336, 32, 8, 128, 128),
}
BATCH = 16
PANEL = 128


class Block:
    def __init__(self, shape, dtype):
        hidden, intermediate, self.heads, self.kv_heads, self.head_dim, self.group = SHAPES[shape]
        sizes = {
            "q": (self.heads * self.head_dim, hidden),
            "k": (self.kv_heads * self.head_dim, hidden),
            "v": (self.kv_heads * self.head_dim, hidden),
            "o": (hidden, self.heads * self.head_dim),
            "gate": (intermediate, hidden),
            "up": (intermediate, hidden),
            "down": (hidden, intermediate),
        }
        self.weights = {name: (0.02 * torch.randn(size)).to(dtype) for name, size in sizes.items()}

    def copy(self):
        other = object.__new__(Block)
        other.__dict__ = self.__dict__ | {"weights": {name: weight.clone() for name, weight in self.weights.items()}}
        return other

    def rotate(self, x):
        length, half = x.shape[2], self.head_dim // 2
        angles = torch.outer(torch.arange(length).float(), 10000.0 ** (-torch.arange(half).float() / half)).repeat(1, 2)
        turned = torch.cat((-x[..., half:], x[..., :half]), -1)
        return x * angles.cos().to(x.dtype) + turned * angles.sin().to(x.dtype)

    def split(self, x, heads):
        return x.view(*x.shape[:2], heads, self.head_dim).transpose(1, 2)

    def forward(self, x, inputs=None):
        """Notes the input of each group of layers in `inputs`."""
        w = self.weights
        attention_input = F.rms_norm(x, x.shape[-1:])
        q = self.rotate(self.split(attention_input @ w["q"].T, self.heads))
        k = self.rotate(self.split(attention_input @ w["k"].T, self.kv_heads))
        v = self.split(attention_input @ w["v"].T, self.kv_heads)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        heads = mixed.transpose(1, 2).reshape(*x.shape[:2], -1)
        x = x + heads @ w["o"].T
        mlp_input = F.rms_norm(x, x.shape[-1:])
        hidden = F.silu(mlp_input @ w["gate"].T) * (mlp_input @ w["up"].T)
        if inputs is not None:
            inputs.update({"qkv": attention_input, "o": heads, "mlp": mlp_input, "down": hidden})
        return x + hidden @ w["down"].T


GROUPS = {"qkv": ("q", "k", "v"), "o": ("o",), "mlp": ("gate", "up"), "down": ("down",)}


def moments(quantized_block, original_block, quantized, original, group):
    hessian = cross = 0
    tokens = quantized.shape[0] * quantized.shape[1]
    for first in range(0, len(quantized), BATCH):
        seen = [{}, {}]
        quantized_block.forward(quantized[first : first + BATCH], seen[0])
        original_block.forward(original[first : first + BATCH], seen[1])
        xq, xf = (s[group].flatten(0, 1).float() for s in seen)
        hessian = hessian + xq.T @ xq * (2 / tokens)
        cross = cross + (xf - xq).T @ xq * (2 / tokens)
    return hessian, cross


def damped(hessian):
    return hessian + 0.01 * hessian.diagonal().mean() * torch.eye(len(hessian))


def gptq(weight, hessian, group, bits=4):
    """Dequantized weight."""
    lower = torch.linalg.cholesky(damped(hessian))
    upper = torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True)
    left, result = weight.clone(), torch.empty_like(weight)
    scale = None
    for first in range(0, weight.shape[1], PANEL):
        last = min(first + PANEL, weight.shape[1])
        panel, errors = left[:, first:last].clone(), torch.empty(len(weight), last - first)
        for i in range(last - first):
            if (first + i) % group == 0:
                scale = left[:, first + i : first + i + group].abs().amax(1).clamp_min(1e-8) * 2 / (2**bits - 1)
            code = (panel[:, i] / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            result[:, first + i] = code * scale
            errors[:, i] = (panel[:, i] - code * scale) / upper[first + i, first + i]
            panel[:, i:] -= errors[:, i : i + 1] * upper[first + i, first + i : last]
        left[:, last:] -= errors @ upper[first:last, last:]
    return result


def run_block(block, quantized, original):
    original_block = block.copy()
    for group, names in GROUPS.items():
        hessian, cross = moments(block, original_block, quantized, original, group)
        for name in names:
            weight = block.weights[name].float()
            if name != "down":
                lower = torch.linalg.cholesky(damped(hessian))
                weight = weight + 0.5 * torch.cholesky_solve((weight @ cross).T, lower).T
            block.weights[name] = gptq(weight, hessian, block.group).to(block.weights[name].dtype)
    for first in range(0, len(quantized), BATCH):
        quantized[first : first + BATCH] = block.forward(quantized[first : first + BATCH])
        original[first : first + BATCH] = original_block.forward(original[first : first + BATCH])


@torch.no_grad()
def onecomp_seconds(options, dtype):
    torch.manual_seed(0)
    hidden = SHAPES[options.shape][0]
    quantized = torch.randn(options.samples, options.seq_len, hidden).to(dtype)
    original = quantized.clone()
    seconds = []
    for _ in range(options.blocks):
        block = Block(options.shape, dtype)
        start = time.time()
        run_block(block, quantized, original)
        seconds.append(time.time() - start)
    return sum(seconds[1:]) / (len(seconds) - 1)


def pivot_seconds(options, quantize):
    command = [f"{options.build}/bin/layerwise_benchmark", "--device", "cpu", "--shape", options.shape, "--blocks", str(options.blocks)]
    command += ["--samples", str(options.samples), "--seq-len", str(options.seq_len), "--group-size", str(SHAPES[options.shape][5])]
    output = subprocess.run(command + ["--no-parts", "--quantize", quantize], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"a block behind the first ([\d.]+) s", output)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--shape", choices=SHAPES, default="smollm2-135m")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--blocks", type=int, default=3)
    options = parser.parse_args()
    if not os.access(f"{options.build}/bin/layerwise_benchmark", os.X_OK):
        parser.error(f"{options.build}/bin/layerwise_benchmark is not there: build the dev preset")
    if options.blocks < 2:
        parser.error("--blocks must be at least 2: the first is not counted")
    bf16 = onecomp_seconds(options, torch.bfloat16)
    fp32 = onecomp_seconds(options, torch.float32)
    print(f"{options.shape}, {options.samples} x {options.seq_len} tokens, {torch.get_num_threads()} threads, seconds a block behind the first")
    print(f"OneComp's loop in PyTorch     {bf16:8.2f} with bf16 activations, {fp32:8.2f} with fp32")
    for name, quantize in (("Pivot's defaults", "{}"), ("the same work (QEP, GPTQ)", '{"refine_sweeps": 0, "qep_residual": 0, "scale_signs": "positive"}')):
        seconds = pivot_seconds(options, quantize)
        print(f"{name:29} {seconds:8.2f}, {seconds / min(bf16, fp32):.2f} of the faster loop's")


if __name__ == "__main__":
    main()
