#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares encode_lines with PyPI `tokenizers`, id for id.

    parity_test.py ENCODE_LINES MODEL_FOLDER TEXT_FILE... [--random-texts N] [--random-tokenizers N] [--seed N]

Three parts: the model's tokenizer on whole files; the model's and the golden tokenizers on random texts; random
tokenizers, made of components that the library supports, on a few random texts each. The tokenizers come with and
without special tokens. Exits with 1 and prints the first differences if there are any.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "tokenizer"
sys.path.insert(0, str(GOLDEN))
sys.dont_write_bytecode = True

from nasty_text import FIXED_TEXTS, random_text  # noqa: E402

PATTERNS = [
    r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'ll)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s+",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", r"\w+|[^\w\s]+", r"\W", r"\d", r"\D+", r"\s", r"\S+", r"\p{^L}+", r"\P{M}\p{M}*",
    r"a*", r"", r"^.", r".$", r".{,2}", r"(?<=[a-z])[A-Z]", r"(?<!\n)\n(?=\S)", r"(?>a+|ab)b?", r"(a|e)(?:i|o|u)?",
    r"[^\x00-\x7F]", r"\x{1F300}|\u00e9|\x41", r"\p{Cn}", r"[\p{C}&]", r"[a\-z-]+?", r"\An|\z", r"(?:\p{Z}|\v|\t){2,3}?.",
]  # fmt: skip
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
ALPHABET = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256)]] + [chr(256 + i) for i in range(68)]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


class Comparison:
    def __init__(self, tool):
        self.tool = tool
        self.num_texts = self.num_differences = self.num_refused = self.num_panics = 0

    def run(self, name, path, texts, may_be_refused=False):
        """Encodes all texts with both; `path` is a tokenizer.json."""
        theirs = Tokenizer.from_file(str(path))
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        for options in [], ["--no-special"]:
            done = subprocess.run([self.tool, path, *options], input=lines, capture_output=True, text=True)
            if done.returncode != 0:
                assert may_be_refused and "is not supported" in done.stderr, done.stderr
                self.num_refused += 1
                return
            ours = done.stdout.splitlines()
            assert len(ours) == len(texts), (name, len(ours), len(texts))
            for text, line in zip(texts, ours):
                want = self.encode(theirs, text, add_special_tokens=not options)
                if want is not None and json.dumps(want, separators=(",", ":")) != line:
                    self.report(name, text, f"{line[:300]} instead of {str(want)[:300]}")
            self.num_texts += len(texts)

    def encode(self, tokenizer, text, add_special_tokens):
        """None where `tokenizers` panics: an added token with lstrip, within spaces that another one has taken already."""
        try:
            return tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        except BaseException as error:  # PanicException is no Exception
            if "AddedVocabulary bad split" not in str(error):
                raise
            self.num_panics += 1
            return None

    def report(self, name, text, what):
        self.num_differences += 1
        if self.num_differences <= 20:
            print(f"DIFFERENT {name}: {text[:200]!r}: {what}")


def random_added_tokens(rng, vocabulary):
    contents = ["<|begin|>", "<mask>", "<|", "the", " ", "é", "e\u0301x", "\n", "ing", "<mask><mask>", "123", " z"]
    tokens, next_id = [], len(vocabulary)
    for content in rng.sample(contents, rng.randint(0, 6)):
        token = {name: rng.random() < 0.3 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        token["id"] = vocabulary.get(content, next_id)
        next_id += content not in vocabulary
        tokens.append({"content": content, **token})
    return tokens


def random_pre_tokenizer(rng):
    steps = []
    for _ in range(rng.randint(0, 3)):
        if rng.random() < 0.2:
            steps.append({"type": "Digits", "individual_digits": rng.random() < 0.5})
            continue
        pattern = {"Regex": rng.choice(PATTERNS)} if rng.random() < 0.85 else {"String": rng.choice([" ", "e", "\n", "<|", ""])}
        steps.append({"type": "Split", "pattern": pattern, "behavior": rng.choice(BEHAVIORS), "invert": rng.random() < 0.3})
    steps.append({**BYTE_LEVEL, "add_prefix_space": rng.random() < 0.3, "use_regex": rng.random() < 0.4})
    return {"type": "Sequence", "pretokenizers": steps}


def random_model(rng):
    """Merges in no sensible order, with several ways to most tokens; now and then a byte without a token."""
    vocabulary = {token: i for i, token in enumerate(rng.sample(ALPHABET, len(ALPHABET) - rng.choice([0, 0, 0, 3])))}
    common = [token for token in "etaoinshrdlu<|>ĠĊ 0123Ãâ©ª" if token in vocabulary]
    merges, known = [], list(common)
    for _ in range(rng.randint(0, 400)):
        left, right = rng.choice(known), rng.choice(known)
        if len(left + right) > 8:
            continue
        merges.append([left, right])
        if left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            known.append(left + right)
    rng.shuffle(merges)
    if rng.random() < 0.5:
        merges = [" ".join(merge) for merge in merges]
    return {"type": "BPE", "dropout": rng.choice([None, 0.0]), "unk_token": None, "continuing_subword_prefix": rng.choice([None, ""]),
            "end_of_word_suffix": rng.choice([None, ""]), "fuse_unk": rng.random() < 0.5, "byte_fallback": False,
            "ignore_merges": rng.random() < 0.5, "vocab": vocabulary, "merges": merges}  # fmt: skip


def random_tokenizer(rng):
    model = random_model(rng)
    template = {"type": "TemplateProcessing", "special_tokens": {"B": {"id": "B", "ids": [1, 2], "tokens": ["x", "y"]}},
                "single": [{"SpecialToken": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}] * rng.randint(1, 2),
                "pair": []}  # fmt: skip
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": random_added_tokens(rng, model["vocab"]),
            "normalizer": rng.choice([None, {"type": "NFC"}]), "pre_tokenizer": random_pre_tokenizer(rng),
            "post_processor": rng.choice([None, BYTE_LEVEL, template, {"type": "Sequence", "processors": [BYTE_LEVEL, template]}]),
            "decoder": BYTE_LEVEL, "model": model}  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("model_folder", type=Path)
    parser.add_argument("text_files", type=Path, nargs="*")
    parser.add_argument("--random-texts", type=int, default=1000)
    parser.add_argument("--random-tokenizers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    comparison = Comparison(options.tool)
    model_tokenizer = options.model_folder / "tokenizer.json"

    for path in options.text_files:
        comparison.run(path.name, model_tokenizer, [path.read_text(encoding="utf-8")])
        print(f"{path.name}: {path.stat().st_size} bytes compared")
    for path in [model_tokenizer, *sorted(GOLDEN.glob("*.tokenizer.json"))]:
        rng = random.Random(options.seed)
        comparison.run(path.name, path, FIXED_TEXTS + [random_text(rng) for _ in range(options.random_texts)])
    with tempfile.TemporaryDirectory() as folder:
        for i in range(options.random_tokenizers):
            rng = random.Random(1_000_000 * options.seed + i)
            path = Path(folder) / "tokenizer.json"
            path.write_text(json.dumps(random_tokenizer(rng)))
            comparison.run(f"random tokenizer {i}", path, [random_text(rng) for _ in range(20)], may_be_refused=True)
    print(f"tokenizers {tokenizers.__version__}: {comparison.num_texts} texts compared, {comparison.num_differences} differences, "
          f"{comparison.num_refused} tokenizers refused, {comparison.num_panics} panics of theirs")  # fmt: skip
    sys.exit(1 if comparison.num_differences else 0)


main()
