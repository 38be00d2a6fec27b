# SPDX-License-Identifier: Apache-2.0
"""Texts that tokenizers stumble over, the same for the same random.Random."""

FIXED_TEXTS = [
    "",
    " ",
    "  \t\t\n\n\r\n \n  \n",
    "Hello, world!",
    "I'm sure they've said she'll go; we'd rather you're not. IT'S HERS, WE'LL SEE. don'ts o'clock 'S 'ſ 'Ll",
    "a   b    c     \n     d\t\te \n\n\nf   ",
    "\u00a0non-breaking\u2003em\u3000ideographic\u1680ogham\u180emongolian\u200bzero\u2028line\u0085next",
    "1 12 123 1234 12345678901234567890 3.14159 1,000,000 ½ ² ³ ¹ Ⅻ ⅷ ٣٤٥ १२३ 一二三 𝟙𝟚𝟛 ①②③",
    "👍 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 🙂🙂🙂 ☠️ #️⃣ 🧑🏿‍🚀",
    "e\u0301 é a\u0323\u0302 ậ q\u0307\u0323 \u0301start \u1112\u1161\u11ab 한글 각 \u1100\u1161\u11a8 \u212b \u2126",
    "Zalgo: H\u0336\u0321\u034ee\u0337\u0300l\u0335\u0301l\u0334\u0308o\u0338\u032d",
    "日本語のテキストです。中文沒有空格，標點！한국어 문장입니다. ไทยไม่มีช่องว่าง हिन्दी में पाठ",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u202eright to left\u202c \u200fmark",
    "control \x00\x01\x02\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x9f \ufeff bom \ufffd \uffff \U0010ffff",
    "https://example.org/a/b?c=d&e=f#g user@mail.example <a href='x'>&amp;</a> C:\\dir\\file.txt",
    "def f(x):\n\treturn {k: v**2 for k, v in x.items()}  # comment\n\n\nif __name__ == '__main__':\n    f({})\n",
    "snake_case camelCase SCREAMING_CASE kebab-case dotted.name ___ --- ... !!! ??? «quoted» “curly” ‘single’",
    "a" * 700,
    "ab" * 200 + " " + "Donaudampfschifffahrtsgesellschaft" * 8,
    "x" + " " * 100 + "y" + "\n" * 50 + "z" + "\t" * 30,
    "<|begin|>text<|end|>", " <|begin|> <|end|>", "<|begin|><|begin|>x<|en<|end|>d|>", "<|BEGIN|> <|begin |>",
    "a <mask> b", "a<mask>b <mask>, <mask>", "  <mask>  \u3000<mask>\n", "_<mask>_ \u0301<mask>é",
    "caf\u00e9 cafe\u0301 CAFE\u0301", "un cafe\u0301\u0323 noir",
    # What differs between versions of Unicode, and so between the parts of `tokenizers` and libraries of ours.
    "\U00011f02\U00011f04 \U00011f50\U00011f51 \U0001e4d0 \U0002ebf0\U00031350 \U00010d40 \U00010d50\U00010d70",
    "\U00011de0\U00016ff4 \U0001cc00 \U0001fae8 \ua7cb\ua7da \u0897x \u1c89\u1c8a \u2427 \U0001171e",
    "\U00011935\U00011930 \U00011938 \U000105d2\u0307 \U00011382\U000113c9 a\u0898\u0323 a\U00010efd\u0301 a\U0001e4ec\u0323",
]  # fmt: skip

_RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0, 0x20), (0x7F, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x52F),
    (0x590, 0x6FF), (0x900, 0xDFF), (0x1100, 0x11FF), (0x2000, 0x206F), (0x20D0, 0x20FF), (0x2150, 0x218F),
    (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x10000, 0x11FFF),
    (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x16000, 0x1E6FF), (0x20000, 0x323AF), (0xE0000, 0xE01EF),
    (0, 0xD7FF), (0xE000, 0x10FFFF),
]  # fmt: skip
_FRAGMENTS = [
    " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "don't", "the", " the", " and", "ing", "123", "٣", "<|begin|>", "<|end|>",
    "<mask>", " <mask> ", "<|", "|>", "e\u0301", "\u0323", "\u0301", "é", "\u200d", "👩‍🚀", "\u3000", "\u180e", "\x00", "...",
]  # fmt: skip


def random_text(rng):
    """Fragments, characters of one script or of all, and damaged UTF-8 with replacement characters, mixed."""
    pieces = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.4:
            pieces.append(rng.choice(_FRAGMENTS))
        elif kind < 0.9:
            low, high = rng.choice(_RANGES)
            pieces.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))))
        elif kind < 0.95:
            pieces.append(bytes(rng.randrange(256) for _ in range(rng.randint(1, 20))).decode("utf-8", "replace"))
        else:
            pieces.append(rng.choice(_FRAGMENTS) * rng.randint(2, 20))
    return "".join(pieces)


_SPECIAL_TOKENS = [
    "<s>", "</s>", "<unk>", "<pad>", "<extra_id_0>", "<extra_id_2>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<MASK>", "<mask>",
    "<|begin|>", "<|end|>", "<0x0A>", "<0xE2>", "\u2581", "##ing", "\n\n", "\n\n\n",
]  # fmt: skip
_EMOJI = ["👩", "👨", "🧑", "❤️", "🏳️", "🌈", "🇩", "🇪", "🇫", "🇷", "☠️", "#️⃣", "1️⃣", "🙂", "🫠", "🧌", "🚀", "🎉", "🏴", "🀄"]
_JOINERS = ["\u200d", "\ufe0f", "\ufe0e", "🏻", "🏽", "🏿", "", "", " ", "\U000e0067", "\U000e007f", "\u20e3"]
_MARKS = ["\u0301", "\u0300", "\u0323", "\u0307", "\u0327", "\u0334", "\u0345", "\u034f", "\u20dd", "\u093c", "\u094d", "\u3099", "\u0897"]
_BASES = list("aeiouAEIOUnsczdlK") + ["é", "ậ", "ß", "İ", "ı", "ſ", "ﬁ", "½", "²", "Å", "각", "ᄒ", "ᅡ", "ᆫ", "क", "ก", "ね", "か", "Ω", "Σ", "ǅ"]
_SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\u0085", "\u180e", "\u2060", "\ufeff", "\x0b"]
_BIDI = ["\u202e", "\u202c", "\u200f", "\u200e", "\u2066", "\u2069", "שלום", "مرحبا", "؟", "١٢٣", "ـ", "\u0651", "abc", " "]
_CODE = ["0x1F", "1e-9", "1,000.50", "::", "->", "&&", "//", "/*", "*/", "'", '"', "`", "\\n", "${x}", "%d", "#", "@", "if(", ");", "\t", "    ", "_", "__init__"]


def _mix(rng, choices, least, most):
    return "".join(rng.choice(choices) for _ in range(rng.randint(least, most)))


def long_texts(rng):
    """Words of 100 kB and more, which take hours where something is quadratic."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    return [
        "a" * 100_000, "ab" * 50_000, _mix(rng, letters, 100_000, 100_000), "日本" * 17_000, "e" + "\u0301\u0323" * 25_000,
        "👩‍🚀" * 9_000, " " * 100_000, "\n" * 100_000, "0" * 100_000, "\x00" * 50_000, "é" * 50_000, "." * 100_000, "<" * 100_000,
        _mix(rng, [chr(c) for c in range(0x4E00, 0x4F00)], 33_000, 33_000),
    ]  # fmt: skip


def nasty_corpus(rng):
    """More than 1,200 strings of every kind named below, the same for the same random.Random."""
    texts = list(FIXED_TEXTS)
    texts += [_mix(rng, _EMOJI + _JOINERS, 2, 12) for _ in range(180)]
    texts += ["".join(rng.choice(_BASES) + _mix(rng, _MARKS, 0, 3) for _ in range(rng.randint(1, 8))) for _ in range(180)]
    texts += ["".join(chr(rng.randint(0x4E00, 0x9FFF)) if rng.random() < 0.6 else rng.choice("のをはがアイウ가나다。、「」Ａ１") for _ in range(12)) for _ in range(120)]
    texts += [_mix(rng, _BIDI, 2, 10) for _ in range(120)]
    texts += ["".join(chr(rng.choice([*range(0x20), *range(0x7F, 0xA0), 0xAD, 0xFFFC, 0xFFFD, 0xFFFE, 0x61])) for _ in range(8)) for _ in range(120)]
    texts += [_mix(rng, _SPECIAL_TOKENS + ["", " ", "x", "é", "the ", "ing"], 2, 8) for _ in range(250)]
    texts += [_mix(rng, _SPACES + ["a", "b", "word"], 1, 10) for _ in range(180)]
    texts += [_mix(rng, _CODE + ["a", "x1", "値"], 2, 12) for _ in range(120)]
    texts += [rng.randbytes(rng.randint(1, 60)).decode("utf-8", "replace") for _ in range(120)]
    texts += [_mix(rng, [chr(rng.randint(1, 0xD7FF)) for _ in range(4)], 1, 400) for _ in range(60)]
    return texts + long_texts(rng)
