#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes engine/model/tokenizer/category_tables.cc: where normalizers and pre-tokenizers of PyPI `tokenizers` see other
characters than utf8proc.

As make_unicode_tables.py does: `tokenizers` is asked about every code point. Written with tokenizers 0.23.3 and utf8proc
2.8.0:

    python3 make_category_tables.py > engine/model/tokenizer/category_tables.cc
"""

import base64
import ctypes
import json
import struct

import tokenizers
from make_unicode_tables import CODE_POINTS, Utf8proc, print_table, ranges_of, split_members
from tokenizers import Tokenizer, normalizers, pre_tokenizers

# utf8proc's numbers of the categories Mn Mc Me, Pc Pd Ps Pe Pi Pf Po, and Cc Cf Co; `tokenizers` does not count what is unassigned.
MN, MARKS, PUNCTUATION, OTHERS = {6}, {6, 7, 8}, set(range(12, 19)), {26, 27, 29}
ASCII_PUNCTUATION = {c for c in range(0x21, 0x7F) if not chr(c).isalnum()}
EXTENDED = 0x41  # "A"


def removed_by(normalizer):
    return {c for c in CODE_POINTS if normalizer.normalize_str(chr(c)) == ""}


def lowercase(utf8proc):
    """[code point, what it becomes] where the two differ; only U+0130 becomes two characters."""
    normalize = normalizers.Lowercase().normalize_str
    rows = []
    for c in CODE_POINTS:
        lower = normalize(chr(c))
        if c == 0x130:
            assert lower == "i\u0307"
            continue
        assert len(lower) == 1, hex(c)
        if ord(lower) != utf8proc.utf8proc_tolower(c):
            rows.append([c, ord(lower)])
    return rows


def map_of_one_letter():
    """A charsmap that turns "A" into "B": a double array of Darts, and the text "B"."""
    unit = lambda offset, label, has_leaf: offset << 10 | has_leaf << 8 | label  # noqa: E731
    units = [0] * 512
    units[0] = unit(256, 0, 0)
    place = 256 ^ EXTENDED
    units[place] = unit(place ^ 300, EXTENDED, 1)
    units[300] = 1 << 31 | 0
    blob = struct.pack("<I512I", 2048, *units) + b"B\0"
    return json.dumps({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()})


def extending(utf8proc):
    """Code points of at most four bytes after "A" that belong to its grapheme for only one of the two."""
    document = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "pre_tokenizer": None,
                "post_processor": None, "decoder": None, "normalizer": json.loads(map_of_one_letter()),
                "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}  # fmt: skip
    normalize = Tokenizer.from_str(json.dumps(document)).normalizer.normalize_str
    members = set()
    for c in CODE_POINTS:
        if len(chr(c).encode()) > 4:
            continue
        theirs = normalize("A" + chr(c)) == "B"
        ours = not utf8proc.utf8proc_grapheme_break(EXTENDED, c)
        if theirs != ours:
            members.add(c)
    return members


def compatibility(library):
    """Code points that the older data of `tokenizers` do not take apart."""
    members = set()
    for c in CODE_POINTS:
        for name in "nfkd", "nfkc":
            pointer = getattr(library.library, "utf8proc_" + name.upper())(chr(c).encode())
            if ctypes.string_at(pointer).decode() != getattr(normalizers, name.upper())().normalize_str(chr(c)):
                members.add(c)
            library.libc.free(pointer)
    return members


def main():
    library = Utf8proc()
    utf8proc = library.library
    utf8proc.utf8proc_NFKC.restype = utf8proc.utf8proc_NFKD.restype = ctypes.c_void_p
    utf8proc.utf8proc_grapheme_break.restype = ctypes.c_bool
    category = {c: utf8proc.utf8proc_category(c) for c in CODE_POINTS}
    of = lambda numbers: {c for c in CODE_POINTS if category[c] in numbers}  # noqa: E731
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    tables = {
        "kOtherPunctuation": (of(PUNCTUATION) | ASCII_PUNCTUATION) ^ split_members(pre_tokenizers.Punctuation("removed")),
        "kOtherControls": (of(OTHERS) - {9, 10, 13}) ^ (removed_by(clean) - {0xFFFD}),
        "kOtherNonspacing": of(MN) ^ removed_by(strip),
        "kOtherMarks": of(MARKS) ^ removed_by(normalizers.StripAccents()),
        "kOtherExtending": extending(utf8proc),
        "kOtherCompatibility": compatibility(library),
    }
    print("// SPDX-License-Identifier: Apache-2.0")
    print(f"// Written by tests/engine/tokenizer/make_category_tables.py from tokenizers {tokenizers.__version__}.")
    print('#include "engine/model/tokenizer/category_tables.h"\n')
    print("namespace pivot::tokenizer {\n")
    print("// clang-format off")
    for name, members in tables.items():
        print_table(name, "CodePointRange", ranges_of(members))
    print_table("kOtherLowercase", "LowercasePair", lowercase(utf8proc))
    print("\n// clang-format on\n\n}  // namespace pivot::tokenizer")


if __name__ == "__main__":
    main()
