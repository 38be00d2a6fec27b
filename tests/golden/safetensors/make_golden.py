# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files beside it with the reference library: safetensors 0.8.0, torch 2.11.0, numpy 2.4.6.

Byte j of the i-th tensor below is (31 * i + 7 * j) mod 256, of a BOOL its lowest bit. safetensors_library_test.cc has the same list.
"""
import os

import numpy
import safetensors.numpy
import safetensors.torch
import torch

TENSORS = [
    ("a.bool", torch.bool, [3]),
    ("a.u8", torch.uint8, [2, 3]),
    ("a.i8", torch.int8, [5]),
    ("a.f8_e5m2", torch.float8_e5m2, [4]),
    ("a.f8_e4m3", torch.float8_e4m3fn, [4]),
    ("a.f8_e8m0", torch.float8_e8m0fnu, [4]),
    ("a.f8_e4m3fnuz", torch.float8_e4m3fnuz, [4]),
    ("a.f8_e5m2fnuz", torch.float8_e5m2fnuz, [4]),
    ("a.i16", torch.int16, [3]),
    ("a.u16", torch.uint16, [3]),
    ("a.f16", torch.float16, [2, 2]),
    ("model.norm.weight", torch.bfloat16, [4]),
    ("a.weight_scale", torch.bfloat16, [2, 1]),
    ("a.weight_packed", torch.int32, [2, 2]),
    ("a.u32", torch.uint32, [1]),
    ("a.f32", torch.float32, [1, 1, 2]),
    ("a.c64", torch.complex64, [2]),
    ("a.f64", torch.float64, [2]),
    ("a.weight_shape", torch.int64, [2]),
    ("a.u64", torch.uint64, [1]),
    ("scalar", torch.float32, []),
    ("empty", torch.bfloat16, [0, 7]),
    ('h\u00e9 "quoted"\\\n\t\x01\x7f\u6a21', torch.float16, [1]),
]


def tensor(number, dtype, shape):
    count = int(numpy.prod(shape)) * dtype.itemsize
    values = [(31 * number + 7 * j) % 256 for j in range(count)]
    if dtype == torch.bool:
        values = [value & 1 for value in values]
    return torch.tensor(values, dtype=torch.uint8).view(dtype).reshape(shape)


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    tensors = {name: tensor(i, dtype, shape) for i, (name, dtype, shape) in enumerate(TENSORS)}
    safetensors.torch.save_file(tensors, os.path.join(folder, "all_dtypes.safetensors"), metadata={"format": "pt"})
    arrays = {"b": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "a": numpy.array([-1], dtype=numpy.int64)}
    safetensors.numpy.save_file(arrays, os.path.join(folder, "no_metadata.safetensors"))


main()
