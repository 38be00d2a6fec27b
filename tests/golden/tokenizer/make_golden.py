#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of this folder: three small tokenizers, texts, and the ids that PyPI `tokenizers` gives.

    NAME.tokenizer.json   trained here on TRAINING_TEXT, in the style of a family of models
    texts.jsonl           a JSON string a line: nasty_text.FIXED_TEXTS, then random ones (seed 1)
    NAME.ids.jsonl        for each text the ids with special tokens added

Written with tokenizers 0.23.3; run it again only to take over what a newer version does.
"""

import json
import random
from pathlib import Path

from nasty_text import FIXED_TEXTS, random_text
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = Path(__file__).parent
NUM_RANDOM_TEXTS = 120
SEED = 1
TRAINING_TEXT = [
    "The tokenizer reads the text from left to right, and what it has not seen before it takes apart.",
    "There was nothing so very remarkable in that; nor did the others think it so very much out of the way.",
    "When the sun went down the harbour was still, and the boats that had been out all day came home one after another.",
    "I'm not sure that they've understood what we're saying, but they'll learn; it's what everyone's told, isn't it?",
    "In 1969 and again in 1972, 384,400 kilometres away, 12 people walked on the moon: 24 boots, 0 footballs.",
    "for (int i = 0; i < count; ++i) { total += values[i]; }\n\treturn total / count;\n",
    "def encode(self, text):\n    return [self.vocab[token] for token in self.split(text)]\n\n\n",
    "Ein kleiner Hund läuft über die Straße, während die Kinder fröhlich spielen und die Großmutter zuschaut.",
    "Le café était fermé, mais la fenêtre restait ouverte et l'été n'était pas encore terminé.",
    "El niño pequeño comió una manzana y después corrió hacia la montaña con su compañero.",
    "Быстрая коричневая лиса перепрыгивает через ленивую собаку, и никто этого не замечает.",
    "東京は日本の首都です。日本の人口は多いです。这是一个简单的句子，这是另一个句子。",
    "مرحبا بالعالم، هذا نص قصير للتجربة. שלום עולם, זהו טקסט קצר לניסיון.",
    "😀😀😃 👍👍🏽 👨‍👩‍👧 🎉🎉🎉 ½ ² ™ © → ⇒ ∑ ≤ ≥ € £ ¥",
]

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace("{1,3}", "")


def trained(pre_tokenizer, normalizer, special_tokens):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=special_tokens,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    return tokenizer


def smollm2():
    tokenizer = trained(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        None,
        ["<|begin|>", "<|end|>"],
    )
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, single_word=True, normalized=False)])
    return tokenizer


def llama3():
    tokenizer = trained(
        pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]),  # fmt: skip
        None,
        ["<|begin|>", "<|end|>"],
    )
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B", special_tokens=[("<|begin|>", 0)]),
    ])  # fmt: skip
    tokenizer.add_tokens([AddedToken("<mask>", rstrip=True, normalized=False)])
    content = json.loads(tokenizer.to_str())
    content["model"]["ignore_merges"] = True
    # Words that no merges lead to, which `ignore_merges` is for. The added token moves behind them.
    vocabulary = content["model"]["vocab"]
    for word in ["Ġremarkable", "ĠDonau", "snake", "Ġkebab", "ĠĠĠĠĠĠĠ", "ðŁĻĤ"]:
        vocabulary.setdefault(word, len(vocabulary))
    content["added_tokens"][-1]["id"] = len(vocabulary)
    return Tokenizer.from_str(json.dumps(content))


def qwen2():
    tokenizer = trained(
        pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]),  # fmt: skip
        normalizers.NFC(),
        ["<|begin|>", "<|end|>"],
    )
    tokenizer.add_tokens([AddedToken("cafe\u0301", normalized=True), AddedToken("<mask>", single_word=True, normalized=True)])
    return tokenizer


def write_lines(name, values):
    lines = "".join(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n" for value in values)
    assert len(lines) <= 64 << 10, (name, len(lines))
    (FOLDER / name).write_text(lines)


def main():
    rng = random.Random(SEED)
    texts = FIXED_TEXTS + [random_text(rng) for _ in range(NUM_RANDOM_TEXTS)]
    write_lines("texts.jsonl", texts)
    for make in (smollm2, llama3, qwen2):
        tokenizer = make()
        write_lines(f"{make.__name__}.tokenizer.json", [json.loads(tokenizer.to_str())])
        write_lines(f"{make.__name__}.ids.jsonl", [tokenizer.encode(text).ids for text in texts])


if __name__ == "__main__":
    main()
