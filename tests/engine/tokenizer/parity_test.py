#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares encode_lines with PyPI `tokenizers` and `sentencepiece`, id for id, and decoded text for text.

    parity_test.py ENCODE_LINES MODEL_FOLDER TEXT_FILE... [--random-texts N] [--random-tokenizers N] [--seed N]

Four parts: the model's tokenizer and the golden ones on whole files; all of them on nasty_text.nasty_corpus and random
texts; random tokenizers, made of components that the library supports (random_tokenizers.py), on a few random texts
each; models of SentencePiece. Tokenizers come with and without special tokens. Exits with 1 and prints the first
differences if there are any.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import Tokenizer

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "tokenizer"
sys.path.insert(0, str(GOLDEN))
sys.dont_write_bytecode = True

import make_family_golden  # noqa: E402
from nasty_text import nasty_corpus, random_text  # noqa: E402
from random_tokenizers import random_tokenizer  # noqa: E402


class Comparison:
    def __init__(self, tool):
        self.tool = tool
        self.num_texts = self.num_differences = self.num_refused = self.num_panics = 0

    def ask(self, path, values, *options):
        lines = "".join(json.dumps(value) + "\n" for value in values)
        return subprocess.run([self.tool, path, *options], input=lines, capture_output=True, text=True)

    def run(self, name, path, texts, may_be_refused=False):
        """Encodes all texts with both; `path` is a tokenizer.json."""
        theirs = Tokenizer.from_file(str(path))
        encodings = []
        # What goes around a text does not depend on the text: a part of them says as much.
        for texts, options in (texts, []), (texts[:300], ["--no-special"]):
            done = self.ask(path, texts, *options)
            if done.returncode != 0:
                assert may_be_refused and "is not supported" in done.stderr, done.stderr
                self.num_refused += 1
                return
            want = [self.encode(theirs, text, add_special_tokens=not options) for text in texts]
            self.compare(name, texts, want, done.stdout.splitlines())
            encodings = want
        self.decode(name, path, theirs, [ids for ids in encodings if ids is not None and len(ids) < 5000])

    def compare(self, name, asked, want, lines):
        assert len(lines) == len(asked), (name, len(lines), len(asked))
        for text, expected, line in zip(asked, want, lines):
            if expected is not None and json.loads(line) != expected:
                self.report(name, text, f"{line[:300]} instead of {json.dumps(expected)[:300]}")
        self.num_texts += len(asked)

    def decode(self, name, path, theirs, encodings):
        rng = random.Random(len(encodings))
        size = theirs.get_vocab_size()
        some = encodings[:400] + [[rng.randrange(size) for _ in range(rng.randint(0, 9))] for _ in range(50)]
        asked, want = [], []
        for ids in some:
            try:
                want.append(theirs.decode(ids, skip_special_tokens=True))
                asked.append(ids)
            except BaseException:  # decoders that take a last token for granted panic without one
                self.num_panics += 1
        done = self.ask(path, asked, "--decode")
        self.compare(f"{name}, decoding", asked, want, done.stdout.splitlines())

    def run_sentence_piece(self, name, proto, texts):
        """`proto` is a ModelProto."""
        content = proto.SerializeToString()
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        named = [p.piece for p in proto.pieces if p.type in (2, 3)]
        # What the library does not look for, and transformers does.
        texts = [text for text in texts if not any(piece in text for piece in named)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.model"
            path.write_bytes(content)
            done = self.ask(path, texts)
        assert done.returncode == 0, done.stderr
        self.compare(name, texts, [processor.encode(text) for text in texts], done.stdout.splitlines())

    def encode(self, tokenizer, text, add_special_tokens):
        """None where `tokenizers` panics: an added token with lstrip, within spaces that another one has taken already."""
        try:
            return tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        except BaseException as error:  # PanicException is no Exception
            if "bad split" not in str(error):
                raise
            self.num_panics += 1
            return None

    def report(self, name, text, what):
        self.num_differences += 1
        if self.num_differences <= 20:
            print(f"DIFFERENT {name}: {str(text)[:200]!a}: {what}")


def sentence_piece_models():
    make = make_family_golden
    yield "spm_bpe", make.llama_model(user_defined_symbols=["<|begin|>", "\n\n"])
    yield "spm_bpe without prefix", make.llama_model(add_dummy_prefix=False, user_defined_symbols=["<|end|>"])
    yield "spm_bpe nmt_nfkc_cf", make.sentence_piece("bpe", vocab_size=600, normalization_rule_name="nmt_nfkc_cf")
    yield "spm_unigram", make.t5_model()
    yield "spm_unigram nmt_nfkc", make.t5_model(normalization_rule_name="nmt_nfkc")
    yield "spm_unigram bytes", make.sentence_piece("unigram", vocab_size=900, byte_fallback=True, user_defined_symbols=["<mask>", "ab"])
    yield "spm_unigram suffix", make.sentence_piece("unigram", vocab_size=600, treat_whitespace_as_suffix=True)


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
    golden = [options.model_folder / "tokenizer.json", *sorted(GOLDEN.glob("*.tokenizer.json"))]
    rng = random.Random(options.seed)
    texts = nasty_corpus(rng) + [random_text(rng) for _ in range(options.random_texts)]
    files = [path.read_text(encoding="utf-8") for path in options.text_files]
    print(f"{len(texts)} texts and {len(files)} files, {sum(len(text.encode()) for text in texts + files)} bytes")

    for path in golden:
        comparison.run(path.name, path, texts + files)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(make_family_golden.t5(normalization_rule_name="nmt_nfkc").to_str())
        comparison.run("t5 with nmt_nfkc", path, texts + files)
        for i in range(options.random_tokenizers):
            rng = random.Random(1_000_000 * options.seed + i)
            path.write_text(json.dumps(random_tokenizer(rng)))
            comparison.run(f"random tokenizer {i}", path, [random_text(rng) for _ in range(20)], may_be_refused=True)
    for name, proto in sentence_piece_models():
        comparison.run_sentence_piece(name, proto, texts + files)
    print(f"tokenizers {tokenizers.__version__}: {comparison.num_texts} texts compared, {comparison.num_differences} differences, "
          f"{comparison.num_refused} tokenizers refused, {comparison.num_panics} panics of theirs")  # fmt: skip
    sys.exit(1 if comparison.num_differences else 0)


main()
