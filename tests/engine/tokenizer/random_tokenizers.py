# SPDX-License-Identifier: Apache-2.0
"""Random tokenizer.json files made of all components that the library supports, for parity_test.py."""

import json
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "tokenizer"

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
LETTERS = list("etaoinshrdlu<|>_.,'0123\u2581 #") + ["é", "e\u0301", "日", "本", "\n", "ß", "👍"]


def some(rng, choices, most):
    return [rng.choice(choices) for _ in range(rng.randint(0, most))]


def sequence(name, parts):
    return None if not parts else parts[0] if len(parts) == 1 else {"type": "Sequence", name: parts}


def random_added_tokens(rng, vocabulary):
    contents = ["<|begin|>", "<mask>", "<|", "the", " ", "é", "e\u0301x", "\n", "ing", "<mask><mask>", "123", " z", "ÉCOLE", "\u2581a"]
    tokens, next_id = [], len(vocabulary)
    for content in rng.sample(contents, rng.randint(0, 6)):
        token = {name: rng.random() < 0.3 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        # `tokenizers` finds a token that the normalizer leaves nothing of everywhere, until memory ends.
        token["normalized"] &= not content.isspace()
        token["id"] = vocabulary.get(content, next_id)
        next_id += content not in vocabulary
        tokens.append({"content": content, **token})
    return tokens


def random_split(rng):
    pattern = {"Regex": rng.choice(PATTERNS)} if rng.random() < 0.85 else {"String": rng.choice([" ", "e", "\n", "<|", ""])}
    return {"type": "Split", "pattern": pattern, "behavior": rng.choice(BEHAVIORS), "invert": rng.random() < 0.3}


def random_byte_pre_tokenizer(rng):
    steps = []
    for _ in range(rng.randint(0, 3)):
        if rng.random() < 0.2:
            steps.append({"type": "Digits", "individual_digits": rng.random() < 0.5})
        else:
            steps.append(random_split(rng))
    steps.append({**BYTE_LEVEL, "add_prefix_space": rng.random() < 0.3, "use_regex": rng.random() < 0.4})
    return {"type": "Sequence", "pretokenizers": steps}


def random_metaspace(rng):
    return {"type": "Metaspace", "replacement": rng.choice(["\u2581", "\u2581", "_"]), "split": rng.random() < 0.6,
            "prepend_scheme": rng.choice(["always", "first", "never"])}  # fmt: skip


def random_text_pre_tokenizer(rng):
    makers = [
        lambda: random_metaspace(rng), lambda: random_metaspace(rng), lambda: {"type": "Whitespace"}, lambda: {"type": "WhitespaceSplit"},
        lambda: {"type": "BertPreTokenizer"}, lambda: {"type": "Punctuation", "behavior": rng.choice(BEHAVIORS)},
        lambda: {"type": "CharDelimiterSplit", "delimiter": rng.choice("e_ ")},
        lambda: {"type": "Digits", "individual_digits": rng.random() < 0.5}, lambda: random_split(rng),
    ]  # fmt: skip
    return sequence("pretokenizers", [make() for make in some(rng, makers, 3)])


def random_normalizer(rng):
    charsmap = json.loads((GOLDEN / "t5.tokenizer.json").read_text())["normalizer"]["normalizers"][0]
    replacements = [({"String": " "}, "\u2581"), ({"String": "e"}, ""), ({"String": "``"}, '"'), ({"Regex": " {2,}"}, " "),
                    ({"Regex": r"\s+"}, "_"), ({"Regex": r"\p{N}"}, "0"), ({"Regex": r"\p{P}+$"}, ".")]  # fmt: skip

    def replace():
        pattern, content = rng.choice(replacements)
        return {"type": "Replace", "pattern": pattern, "content": content}

    def bert():
        flags = {name: rng.random() < 0.6 for name in ("clean_text", "handle_chinese_chars", "lowercase")}
        return {"type": "BertNormalizer", "strip_accents": rng.choice([None, True, False]), **flags}

    makers = [lambda: {"type": rng.choice(["NFC", "NFD", "NFKC", "NFKD"])}, lambda: {"type": "Lowercase"}, replace, replace, bert,
              lambda: {"type": "Prepend", "prepend": rng.choice(["\u2581", "ab"])}, lambda: {"type": "StripAccents"}, lambda: {"type": "Nmt"},
              lambda: {"type": "Strip", "strip_left": rng.random() < 0.5, "strip_right": rng.random() < 0.5}, lambda: charsmap]  # fmt: skip
    return sequence("normalizers", [make() for make in some(rng, makers, 3)])


def random_byte_bpe(rng):
    """Merges in no sensible order, with several ways to most tokens; now and then a byte without a token."""
    vocabulary = {token: i for i, token in enumerate(rng.sample(ALPHABET, len(ALPHABET) - rng.choice([0, 0, 0, 3])))}
    common = [token for token in "etaoinshrdlu<|>ĠĊ 0123Ãâ©ª" if token in vocabulary]
    return bpe(rng, vocabulary, common, {"unk_token": None, "continuing_subword_prefix": rng.choice([None, ""]),
                                         "end_of_word_suffix": rng.choice([None, ""]), "byte_fallback": False})  # fmt: skip


def random_text_bpe(rng):
    prefix, suffix = rng.choice([(None, None)] * 4 + [("##", None), (None, "</w>"), ("", "</w>")])
    unknown = rng.choice([None, "<unk>", "<unk>"])
    names = (["<unk>"] if unknown else []) + rng.sample(LETTERS, len(LETTERS) - 6)
    if rng.random() < 0.6:
        names += [f"<0x{byte:02X}>" for byte in range(256) if rng.random() < 0.97 or byte < 128]
    if prefix:
        names += [prefix + letter for letter in rng.sample(LETTERS, 20)]
    if suffix:
        names += [letter + suffix for letter in rng.sample(LETTERS, 20)]
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    common = [name for name in vocabulary if name not in ("<unk>",) and not name.startswith("<0x")]
    return bpe(rng, vocabulary, common, {"unk_token": unknown, "continuing_subword_prefix": prefix, "end_of_word_suffix": suffix,
                                         "byte_fallback": rng.random() < 0.6})  # fmt: skip


def bpe(rng, vocabulary, common, options):
    prefix = options["continuing_subword_prefix"] or ""
    merges, known = [], list(common)
    for _ in range(rng.randint(0, 400)):
        left, right = rng.choice(known), rng.choice(known)
        if len(left + right) > 8 or not right.startswith(prefix) or len(right) == len(prefix):
            continue
        merged = left + right[len(prefix) :]
        merges.append([left, right])
        if merged not in vocabulary:
            vocabulary[merged] = len(vocabulary)
            known.append(merged)
    rng.shuffle(merges)
    if rng.random() < 0.5 and all(" " not in half for merge in merges for half in merge):
        merges = [" ".join(merge) for merge in merges]
    return {"type": "BPE", "dropout": rng.choice([None, 0.0]), "fuse_unk": rng.random() < 0.5, "ignore_merges": rng.random() < 0.3,
            **options, "vocab": vocabulary, "merges": merges}  # fmt: skip


def random_pieces(rng, count):
    pieces = rng.sample(LETTERS, len(LETTERS) - 6)
    return list(dict.fromkeys(pieces + ["".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 5))) for _ in range(count)]))


def random_unigram(rng):
    names = ["<unk>", *random_pieces(rng, rng.randint(0, 400))]
    if rng.random() < 0.4:
        names += [f"<0x{byte:02X}>" for byte in range(256)]
    rng.shuffle(names)
    # Few different scores make equal sums; the others have all digits.
    digits = rng.choice([0, 1, 15])
    vocabulary = [[name, round(rng.uniform(-12, 0), digits)] for name in names]
    return {"type": "Unigram", "unk_id": names.index("<unk>"), "vocab": vocabulary, "byte_fallback": rng.random() < 0.6}


def random_word_piece(rng):
    names = ["[UNK]"]
    for piece in random_pieces(rng, rng.randint(0, 300)):
        names += rng.choice([[piece], ["##" + piece], [piece, "##" + piece]])
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": rng.choice(["##", "##", ""]),
            "max_input_chars_per_word": rng.choice([100, 5, 1000]), "vocab": vocabulary}  # fmt: skip


def random_post_processor(rng):
    template = {"type": "TemplateProcessing", "special_tokens": {"B": {"id": "B", "ids": [1, 2], "tokens": ["x", "y"]}},
                "single": [{"SpecialToken": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}] * rng.randint(1, 2),
                "pair": []}  # fmt: skip
    pair = {"sep": ["x", 2], "cls": ["y", 1]}
    return rng.choice([None, BYTE_LEVEL, template, {"type": "Sequence", "processors": [BYTE_LEVEL, template]},
                       {"type": "BertProcessing", **pair}, {"type": "RobertaProcessing", "trim_offsets": True, "add_prefix_space": True, **pair}])  # fmt: skip


def random_decoder(rng):
    replace = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    parts = [replace, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
             random_metaspace(rng), {"type": "WordPiece", "prefix": "##", "cleanup": rng.random() < 0.5},
             {"type": "BPEDecoder", "suffix": "</w>"}, BYTE_LEVEL]  # fmt: skip
    return sequence("decoders", some(rng, parts, 3))


def random_tokenizer(rng):
    if rng.random() < 0.4:
        model, pre_tokenizer, decoder = random_byte_bpe(rng), random_byte_pre_tokenizer(rng), BYTE_LEVEL
        normalizer = rng.choice([None, {"type": "NFC"}])
    else:
        model = rng.choice([random_text_bpe, random_unigram, random_word_piece])(rng)
        pre_tokenizer, decoder, normalizer = random_text_pre_tokenizer(rng), random_decoder(rng), random_normalizer(rng)
    is_list = isinstance(model["vocab"], list)
    vocabulary = {name: i for i, (name, _) in enumerate(model["vocab"])} if is_list else model["vocab"]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": random_added_tokens(rng, vocabulary),
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": random_post_processor(rng), "decoder": decoder,
            "model": model}  # fmt: skip
