# SPDX-License-Identifier: Apache-2.0
"""Small GGUF files: version, values and tensors as engine/model/gguf/gguf_file.h describes them."""

import struct

U8, U32, I32, F32, BOOL, TEXT, LIST, U64 = 0, 4, 5, 6, 7, 8, 9, 10
# Number, columns of a block, bytes of a block.
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q8_0": (8, 32, 34)}
TYPES |= {"Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110), "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "BF16": (30, 1, 2)}
ALIGNMENT = 32


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, content):
    if kind == TEXT:
        return text(content)
    if kind == LIST:
        inner, elements = content
        return struct.pack("<IQ", inner, len(elements)) + b"".join(value(inner, element) for element in elements)
    return struct.pack({U8: "<B", U32: "<I", I32: "<i", F32: "<f", BOOL: "<B", U64: "<Q"}[kind], content)


def file(values, tensors, version=3):
    """`tensors`: (name, type, shape rows first)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, (kind, content) in values.items():
        head += text(key) + struct.pack("<I", kind) + value(kind, content)
    payload = b""
    for name, kind, shape in tensors:
        number, columns, size = TYPES[kind]
        count = 1
        for dimension in shape:
            count *= dimension
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", number, len(payload))
        payload += bytes(i * 37 % 251 for i in range(count // columns * size))
        payload += bytes(-len(payload) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + payload


def model(family, linear, hidden, extra=()):
    """One block whose linears have the type."""
    def key(name):
        return f"{family}.{name}"

    values = {"general.architecture": (TEXT, family), key("block_count"): (U32, 1), key("embedding_length"): (U32, hidden)}
    values |= {key("feed_forward_length"): (U32, hidden), key("attention.head_count"): (U32, 2), key("context_length"): (U32, 64)}
    values |= {key("attention.head_count_kv"): (U32, 2), key("rope.freq_base"): (F32, 10000.0), key("attention.layer_norm_rms_epsilon"): (F32, 1e-5)}
    values |= {"tokenizer.ggml.model": (TEXT, "gpt2"), "tokenizer.ggml.pre": (TEXT, "qwen2" if family == "qwen2" else "smollm")}
    values |= {"tokenizer.ggml.tokens": (LIST, (TEXT, ["t", "h", "e", "he"])), "tokenizer.ggml.token_type": (LIST, (I32, [1, 1, 1, 3]))}
    values |= {"tokenizer.ggml.merges": (LIST, (TEXT, ["h e"])), "tokenizer.ggml.bos_token_id": (U32, 3), "tokenizer.ggml.add_bos_token": (BOOL, 1)}
    values |= dict(extra)
    rows = 4
    tensors = [("token_embd.weight", linear, [rows, hidden]), ("output_norm.weight", "F32", [hidden])]
    tensors += [("blk.0.attn_norm.weight", "F32", [hidden]), ("blk.0.ffn_norm.weight", "F32", [hidden])]
    tensors += [(f"blk.0.{name}.weight", linear, [rows, hidden]) for name in ("attn_q", "attn_k", "ffn_down")]
    return file(values, tensors)


def files():
    for kind, hidden in [("F32", 4), ("F16", 4), ("BF16", 4), ("Q4_0", 32), ("Q4_1", 32), ("Q8_0", 32)]:
        yield model("llama", kind, hidden)
    for kind in ("Q4_K", "Q5_K", "Q6_K", "Q2_K", "Q3_K"):
        values = {"general.architecture": (TEXT, "qwen2")}
        yield file(values, [("token_embd.weight", kind, [2, 256])])
    yield model("qwen2", "F32", 4, {"list": (LIST, (LIST, [])), "general.alignment": (U32, 32)}.items())
    yield file({"a": (U64, 2**64 - 1), "b": (LIST, (BOOL, [1, 0])), "c": (LIST, (F32, [1.0, float("inf")]))}, [], version=2)
    yield file({}, [("a", "F32", [2, 2]), ("a", "F32", [2, 2])])
    yield b"GGUF" + struct.pack("<IQQ", 3, 2**40, 2**63)
    yield b"GGUF" + struct.pack(">IQQ", 3, 0, 0)
