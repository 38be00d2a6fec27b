#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inputs that fuzzers begin with, one folder for each: make_seeds.py [corpus]. They are called seed-*; what fuzzers
have found lies beside them and stays."""

import hashlib
import json
import pathlib
import struct
import sys

import gguf_seeds
import quantization_seeds

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "safetensors"


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def safetensors(header, payload=b""):
    text = header if isinstance(header, bytes) else compact(header)
    return struct.pack("<Q", len(text)) + text + payload


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def json_seeds():
    yield b'{"a":1,"b":-2.5e3,"c":"\\u00e9\\ud83d\\ude00","d":[true,false,null],"e":{"f":[]}}'
    yield b'{"a":18446744073709551615,"b":9223372036854775808,"c":1e400}'
    yield b'{"a":1,"a":2}'
    yield b"[" * 70 + b"]" * 70
    yield b"[" * 64 + b"]" * 64
    yield b'{"a":"\xff\xfe"}'
    yield b'"\\x00" \x00 1'
    yield b"\xef\xbb\xbf{}"


def header_seeds():
    for name in ("all_dtypes.safetensors", "no_metadata.safetensors"):
        yield (GOLDEN / name).read_bytes()
    one = tensor("F32", [2], 0, 8)
    yield safetensors({"__metadata__": {"format": "pt"}, "a": one}, bytes(8))
    yield safetensors({"a": one, "b": tensor("U8", [3], 8, 11)}, bytes(11))
    yield safetensors({"a": one, "b": tensor("U8", [3], 7, 10)}, bytes(10))
    yield safetensors({"a": one, "b": tensor("U8", [3], 9, 12)}, bytes(12))
    yield safetensors({"a": tensor("F32", [2**62, 4], 0, 0)})
    yield safetensors({"a": tensor("F4", [3], 0, 1), "b": tensor("F6_E2M3", [4], 1, 4)}, bytes(4))
    yield safetensors({"a": tensor("BF16", [0, 7], 0, 0), "b": tensor("I64", [], 0, 8)}, bytes(8))
    yield safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")
    yield safetensors({"a": tensor("U8", [2**64 - 1], 0, 2**64 - 1)})
    yield struct.pack("<Q", 2**63) + b"{}"
    yield safetensors(b"{}   ")
    yield b"PK\x03\x04" + bytes(30) + b"archive/data.pkl"
    yield b"\x80\x02}q\x00."


SIZES = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 8}


def config_seeds():
    four = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_key_value_heads": 1, "head_dim": 4} | SIZES
    four |= {"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "torch_dtype": "bfloat16", "tie_word_embeddings": True, "eos_token_id": [1, 2]}
    yield compact(four)
    yield compact(four | {"model_type": "qwen2", "use_sliding_window": False, "hidden_act": "silu", "max_position_embeddings": 32768})
    yield compact(four | {"rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}, "dtype": "float16", "rope_theta": None})
    yield compact(four | {"rope_scaling": {"type": "linear", "factor": 2.0}})
    yield compact(four | {"auto_map": {"AutoModelForCausalLM": "modeling.Evil"}, "model_type": "evil"})
    yield compact(four | {"hidden_size": 2**40, "num_hidden_layers": 10**9, "head_dim": -1})
    yield compact(four | {"partial_rotary_factor": 0.5, "attention_bias": True, "mlp_bias": True})
    yield compact(four | {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})


def plain_header(sizes):
    """The tensors of such a model, in one dtype, with their places."""
    hidden, inner, vocabulary = sizes["hidden_size"], sizes["intermediate_size"], sizes["vocab_size"]
    block = "model.layers.0."
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}
    shapes |= {block + "input_layernorm.weight": [hidden], block + "post_attention_layernorm.weight": [hidden]}
    shapes |= {block + f"self_attn.{name}_proj.weight": [hidden, hidden] for name in "qkvo"}
    shapes |= {block + f"mlp.{name}_proj.weight": [inner, hidden] for name in ("gate", "up")}
    shapes |= {block + "mlp.down_proj.weight": [hidden, inner]}
    return {name: ("BF16", shape) for name, shape in shapes.items()}


BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "I64": 8, "U8": 1, "F8_E4M3": 1}


def placed(tensors):
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        begin = end
        size = BYTES[dtype]
        for count in shape:
            size *= count
        end += size
        header[name] = tensor(dtype, shape, begin, end)
    return compact(header)


def folder_seeds():
    config = {"model_type": "llama", "tie_word_embeddings": True} | SIZES
    plain = plain_header(SIZES)
    yield compact(config) + b"\0" + placed(plain)
    yield compact(config | {"hidden_size": 16}) + b"\0" + placed(plain)
    yield compact(config) + b"\0" + placed(dict(list(plain.items())[:-1]))
    # Of a family that nobody knows layers are found by their tensors, from 32 columns on.
    wide = SIZES | {"hidden_size": 32, "intermediate_size": 32}
    unknown = {"model_type": "evil", "text_config": wide}
    found = plain_header(wide) | {"model.layers.1.mlp.router.weight": ("F16", [4, 32]), "lm_head.weight": ("F32", [8, 32])}
    yield compact(unknown) + b"\0" + placed(found)
    for kind, tensors in ((config, plain), (unknown, found)):
        for quantization, replace in quantization_seeds.folders():
            packed = {}
            for name, entry in tensors.items():
                is_linear = name.endswith("_proj.weight")
                packed |= replace(name.removesuffix(".weight"), *entry[1]) if is_linear else {name: entry}
            yield compact(kind | {"quantization_config": quantization}) + b"\0" + placed(packed)
    yield from expert_folders(config, plain)


def expert_folders(config, plain):
    """Mixtures of two experts, a tensor each and all in one."""
    block, kept = "model.layers.0.", {name: entry for name, entry in plain.items() if ".mlp." not in name}
    mixtral = config | {"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 1}
    router = {block + "block_sparse_moe.gate.weight": ("BF16", [2, 8])}
    each = {block + f"block_sparse_moe.experts.{e}.{name}.weight": ("BF16", [8, 8]) for e in range(2) for name in ("w1", "w2", "w3")}
    yield compact(mixtral) + b"\0" + placed(kept | router | each)
    fused = {block + "mlp.gate.weight": ("BF16", [2, 8]), block + "mlp.experts.gate_up_proj": ("BF16", [2, 16, 8])}
    fused |= {block + "mlp.experts.down_proj": ("BF16", [2, 8, 8])}
    yield compact(mixtral) + b"\0" + placed(kept | fused)
    qwen = config | {"model_type": "qwen3_moe", "num_experts": 2, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
    yield compact(qwen | {"decoder_sparse_step": 2, "mlp_only_layers": [0]}) + b"\0" + placed(kept | fused)


def index_seeds():
    def index(**names):
        return compact({"metadata": {"total_size": 9}, "weight_map": names})

    yield index(a="a.safetensors", b="b.safetensors")
    yield index(a="a.safetensors")
    yield index(a="b.safetensors", b="a.safetensors")
    yield index(a="../out.safetensors")
    yield index(a="l.safetensors")
    yield index(a="d.safetensors", b="f.safetensors")
    yield index(a="p.safetensors")
    yield index(a="/dev/zero")
    yield index(a="./a.safetensors", b="b.safetensors/")
    yield index(a=["a.safetensors"])
    yield b'{"weight_map":[]}'
    yield b'{"weight_map":{"a":"a.safetensors","a":"b.safetensors"}}'


def job_filter_seeds():
    yield b""
    yield b'state = QUEUED AND labels:a OR labels:b AND priority >= 50'
    yield b'(labels:team AND NOT labels.team = "vision") OR -(state != RUNNING)'
    yield b'create_time < "2026-01-31T12:00:00.5Z" AND update_time >= "1969-12-31T23:59:59+01:00"'
    yield rb'labels.a/b.c-d_9 = "a \"b\" \\ )"'
    yield b"NOT(-(labels:a))"
    yield b"(" * 17 + b"labels:k" + b")" * 17
    yield b" OR ".join([b"labels:k"] * 33)
    yield b"priority = 99999999999999999999"


def frame_seeds():
    for kind, payload in [(101, b'{"version":"0.1.0","pid":7}'), (109, b'{"phase":3}'), (1, b'{"spec":{},"job":"j"}'), (110, b"[]")]:
        yield struct.pack("<HHIQ", 1, kind, 0, 1) + payload
    yield struct.pack("<HHIQ", 2, 101, 0, 1) + b"{}"
    yield struct.pack("<HHIQ", 1, 101, 7, 2**64 - 1) + b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"
    yield b"\x01\x00"


def manifest_seeds():
    digest = hashlib.sha256(b"").hexdigest()
    piece = {"offset": 0, "size": 5, "sha256": digest}
    entry = {"path": "model.safetensors", "size": 5, "sha256": digest, "pieces": [piece]}
    body = {"schema": 1, "job": "j", "uid": "u", "pivot": 0, "attempt": 1, "source": {"name": "s", "digest": digest}}
    for files in [[], [entry], [entry | {"path": "../x"}], [entry, entry], [entry | {"size": -1, "pieces": []}]]:
        text = {"files": files, "content_sha256": digest, "manifest_sha256": "0" * 64}
        yield json.dumps(body | text, indent=1).encode() + b"\n"


def byte_alphabet():
    """The characters that byte-level BPE writes bytes as."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + i) for i in range(len(hidden))]


def tokenizer_seeds():
    space, merged = "\u0120", ["he", "\u0120t", "\u0120the"]
    small = {text: i for i, text in enumerate(["t", "h", "e", "4", "2", space, *merged])}
    whole = {text: i for i, text in enumerate(byte_alphabet() + merged)}
    merges = ["h e", f"{space} t", f"{space}t he"]
    split = {"type": "Split", "pattern": {"Regex": "(?i:'s|'t)|\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    end = {"id": len(whole), "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": True, "normalized": False, "special": True}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}
    template |= {"pair": [], "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [end["id"]], "tokens": ["<|end|>"]}}}
    base = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": {"type": "ByteLevel"}}
    yield compact(base | {"model": {"type": "BPE", "vocab": small, "merges": merges}}) + b"\0the 42"
    yield compact(base | {"model": {"type": "BPE", "vocab": small, "merges": [["h", "e"]], "ignore_merges": True}})
    sequence = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, split, level | {"use_regex": False}]}
    whole_model = {"type": "BPE", "vocab": whole, "merges": merges}
    both = {"normalizer": {"type": "NFC"}, "added_tokens": [end], "pre_tokenizer": sequence, "post_processor": template}
    yield compact(base | both | {"model": whole_model}) + "\0the e\u0301t\u00e9<|end|>  42 it's\n".encode()
    pieces = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "byte_fallback": True}
    replaces = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    for merge in ("a b", "ab"):
        yield compact(base | {"normalizer": replaces, "pre_tokenizer": None, "model": pieces | {"merges": [merge]}})
    templates = {"chat_template": [{"name": "default", "template": 7}]}
    yield compact(base | {"model": {"type": "BPE", "vocab": small, "merges": []}}) + b"\0" + compact(templates)
    yield compact(base | {"model": {"type": "Unigram", "vocab": [["a", 0.0]]}})
    yield compact(base | {"model": {"type": "BPE", "vocab": {"a": 2**31, "b": -1}, "merges": ["a b c"]}})


def plan_rules_seeds():
    def rules(*entries, **others):
        return compact({"schema": 1, "rules": entries} | others)

    def modules(*entries):
        return compact({"schema": 1, "modules": entries, "total_bytes": 7})

    yield rules({"match": "*", "bits": 3}, {"match": "*.0.*", "bits": 8, "group_size": -1}, {"match": "re:.*\\.down_proj$", "keep": True})
    yield rules({"match": "*.[gu]*_proj", "bits": 2.0, "group_size": 64, "method": "gptq"}, {"match": "model.embed_tokens", "bits": 8})
    yield rules({"match": "re:model\\.layers\\.[0-1]\\..*", "group_size": 16}, {"match": "lm_head", "keep": True})
    yield rules({"match": "*.experts.*", "bits": 8}, {"match": "*.self_attn.?_proj", "keep": True, "bits": 4})
    yield rules({"match": "re:(a*)*b", "bits": 4}, {"match": "[", "bits": 1e300})
    yield rules({"match": "*.q_proj", "bits": 4}, note="neither")
    four = {"type": "int", "bits": 4, "group_size": 32, "method": "gptq", "bytes": 9}
    names = [f"model.layers.0.self_attn.{name}_proj" for name in "qkvo"] + ["model.layers.1.mlp.down_proj"]
    yield modules(*({"name": name} | four for name in names))
    yield modules(*({"name": name, "bits": 16, "group_size": 0, "type": "kept", "method": "none"} for name in names))
    yield modules({"name": "model.embed_tokens", "type": "e4m3", "bits": 8, "group_size": 0, "method": "none"}, {"name": names[3]} | four)
    yield compact({"schema": 2, "rules": []})


TARGETS = {
    "json": json_seeds,
    "safetensors_header": header_seeds,
    "model_config": config_seeds,
    "quantization_config": lambda: map(compact, quantization_seeds.configs()),
    "plan_rules": plan_rules_seeds,
    "model_folder": folder_seeds,
    "index": index_seeds,
    "job_filter": job_filter_seeds,
    "frame": frame_seeds,
    "manifest": manifest_seeds,
    "tokenizer": tokenizer_seeds,
    "gguf": gguf_seeds.files,
}


def main():
    corpus = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"
    for target, make in TARGETS.items():
        folder = corpus / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for number, content in enumerate(make()):
            (folder / f"seed-{number:02}").write_bytes(content)


if __name__ == "__main__":
    main()
