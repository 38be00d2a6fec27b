#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast `pivot convert` goes beside a plain copy of the same folder, and how much memory its worker takes.

    convert_benchmark.py WORK_FOLDER [--gigabytes 16] [--bits 8]

Makes a compressed-tensors folder of random codes with the blocks of Llama 3 8B, converts it to gptq, back, and to files of 5 GB,
and copies it with fsync, each from a cold cache where this user may drop it. Needs three times the folder's size on the disk.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
HIDDEN, INTERMEDIATE, KEY, GROUP, VOCABULARY = 4096, 14336, 1024, 128, 128256
LINEARS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (KEY, HIDDEN),
    "self_attn.v_proj": (KEY, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
    "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}


def write_safetensors(path, tensors):
    """tensors: name -> (dtype, shape, bytes-like)."""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + data.nbytes]}
        offset += data.nbytes
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, _, data in tensors.values():
            file.write(data)


def write_model(folder, num_blocks, bits):
    folder.mkdir(parents=True)
    draw = numpy.random.default_rng(0)
    codes = draw.integers(0, 2**32, INTERMEDIATE * HIDDEN * bits // 32, dtype=numpy.uint32)
    one = numpy.full(1, 0x3F80, dtype=numpy.uint16)  # 1.0 in bf16
    weight_map = {}
    for block in range(num_blocks + 1):
        tensors = {}
        prefix = f"model.layers.{block}."
        if block == num_blocks:
            tensors["model.embed_tokens.weight"] = ("BF16", (VOCABULARY, HIDDEN), numpy.repeat(one, VOCABULARY * HIDDEN))
            tensors["model.norm.weight"] = ("BF16", (HIDDEN,), numpy.repeat(one, HIDDEN))
        for linear, (rows, columns) in {} if block == num_blocks else LINEARS.items():
            words = columns * bits // 32
            name = prefix + linear
            tensors[name + ".weight_shape"] = ("I64", (2,), numpy.array([rows, columns]))
            tensors[name + ".weight_packed"] = ("I32", (rows, words), codes[: rows * words])
            scales = draw.integers(0x3C00, 0x3C80, rows * columns // GROUP, dtype=numpy.uint16)
            tensors[name + ".weight_scale"] = ("BF16", (rows, columns // GROUP), scales)
        for norm in () if block == num_blocks else ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}{norm}.weight"] = ("BF16", (HIDDEN,), numpy.repeat(one, HIDDEN))
        path = folder / f"model-{block + 1:05d}-of-{num_blocks + 1:05d}.safetensors"
        write_safetensors(path, tensors)
        weight_map |= {name: path.name for name in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}), encoding="utf-8")
    weights = {"num_bits": bits, "type": "int", "symmetric": True, "strategy": "group", "group_size": GROUP, "dynamic": False}
    quantization = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "format": "pack-quantized"}},
        "ignore": ["lm_head"],
    }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": num_blocks,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "quantization_config": quantization,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def drop_caches():
    subprocess.run(["sync"], check=True)
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
    except OSError:
        print("(the cache could not be dropped: reads may come from memory)")


class Peaks:
    """Largest anonymous and mapped resident memory of pivot-worker below a process, looked at every 20 ms."""

    def __init__(self):
        self.anonymous, self.mapped = 0, 0

    def look(self):
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or (entry / "comm").read_text(encoding="ascii").strip() != "pivot-worker":
                    continue
                status = (entry / "status").read_text(encoding="ascii")
            except OSError:
                continue
            kibibytes = {key: int(value) for key, value in re.findall(r"(Rss\w+):\s+(\d+)", status)}
            self.anonymous = max(self.anonymous, kibibytes.get("RssAnon", 0) * 1024)
            self.mapped = max(self.mapped, kibibytes.get("RssFile", 0) * 1024)


def timed(name, size, command):
    drop_caches()
    peaks = Peaks()
    start = time.monotonic()
    with subprocess.Popen(list(map(str, command))) as process:
        while process.poll() is None:
            peaks.look()
            time.sleep(0.02)
    seconds = time.monotonic() - start
    assert process.returncode == 0, command
    memory = f", worker's own memory {peaks.anonymous / 1e6:.0f} MB, mapped {peaks.mapped / 1e6:.0f} MB" if peaks.anonymous else ""
    print(f"{name}: {seconds:.1f} s, {size / seconds / 1e6:.0f} MB/s{memory}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work_folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=16)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--pivot", type=pathlib.Path, default=ROOT / "build/dev/bin/pivot")
    arguments = parser.parse_args()
    work = arguments.work_folder
    shutil.rmtree(work, ignore_errors=True)
    block_bytes = sum(rows * columns for rows, columns in LINEARS.values()) * (arguments.bits + 16 / GROUP) / 8
    write_model(work / "packed", max(1, round((arguments.gigabytes * 1e9 - 2 * VOCABULARY * HIDDEN) / block_bytes)), arguments.bits)
    size = size_of(work / "packed")
    print(f"{size / 1e9:.2f} GB of {arguments.bits} bits")
    copy = 'for f in "$0"/*; do dd if="$f" of="$1/${f##*/}" bs=8M conv=fsync status=none || exit 1; done'
    (work / "copy").mkdir()
    timed("copy with dd and fsync", size, ["sh", "-c", copy, work / "packed", work / "copy"])
    shutil.rmtree(work / "copy")
    convert = [arguments.pivot, "convert", "-q"]
    timed("to gptq", size, [*convert, work / "packed", "--format", "gptq", "-o", work / "gptq"])
    timed("back", size, [*convert, work / "gptq", "--format", "compressed-tensors", "-o", work / "back"])
    shutil.rmtree(work / "gptq")
    shutil.rmtree(work / "back")
    timed("to files of 5 GB", size, [*convert, work / "packed", "--format", "compressed-tensors", "--shard-size", "5GB", "-o", work / "cut"])
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
