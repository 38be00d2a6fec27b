#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes engine/model/tokenizer/unicode_tables.cc: where the Unicode data of PyPI `tokenizers` differ from ours.

`tokenizers` is asked about every code point, so that the tables say what it does and not what some version of Unicode
says. Its parts disagree with each other: Oniguruma has Unicode 16, Rust's standard library 17, NFC 9. PCRE2 and utf8proc
are asked through ctypes. Written with tokenizers 0.23.3, PCRE2 10.42 and utf8proc 2.8.0:

    python3 make_unicode_tables.py > engine/model/tokenizer/unicode_tables.cc
"""

import ctypes

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
# A character of each category that both libraries agree on and that no sensible pattern names, by its length in UTF-8.
STAND_INS = {
    3: {"Mn": 0xA8C4, "Mc": 0xA880, "Po": 0xA8CE, "Lu": 0xA722, "Ll": 0xA723, "So": 0xA828, "Cf": 0xFFF9},
    4: {"Lo": 0x10A60, "Nd": 0x104A0, "Lm": 0x16B40, "Lu": 0x10400, "Ll": 0x10428, "Mn": 0x10A0D, "Mc": 0x11000,
        "Pd": 0x10EAD, "Sm": 0x1D6C1, "Po": 0x10A50, "Cf": 0x110BD, "So": 0x10AC8, "No": 0x10A7D},
}  # fmt: skip
MONGOLIAN_VOWEL_SEPARATOR = 0x180E  # PCRE2's \s has it, because its \h has


def split_members(pre_tokenizer):
    """The code points that the pre-tokenizer removes."""
    text = "".join(map(chr, CODE_POINTS))
    kept = set()
    for _, (begin, end) in pre_tokenizer.pre_tokenize_str(text):
        kept.update(range(begin, end))
    return {c for i, c in enumerate(CODE_POINTS) if i not in kept}


def oniguruma_members(pattern):
    return split_members(pre_tokenizers.Split(Regex(pattern), "removed"))


def pcre2_members(pattern):
    library = ctypes.CDLL("libpcre2-32.so.0")
    library.pcre2_compile_32.restype = ctypes.c_void_p
    library.pcre2_match_data_create_32.restype = ctypes.c_void_p
    library.pcre2_match_32.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t,
                                       ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]  # fmt: skip
    units = (ctypes.c_uint32 * len(pattern))(*map(ord, pattern))
    error, offset = ctypes.c_int(), ctypes.c_size_t()
    utf_and_ucp = 0x00080000 | 0x00020000
    code = library.pcre2_compile_32(units, ctypes.c_size_t(len(pattern)), utf_and_ucp, ctypes.byref(error),
                                    ctypes.byref(offset), None)  # fmt: skip
    data = library.pcre2_match_data_create_32(4, None)
    subject = ctypes.c_uint32()
    members = set()
    for c in CODE_POINTS:
        subject.value = c
        if library.pcre2_match_32(code, ctypes.byref(subject), 1, 0, 0, data, None) > 0:
            members.add(c)
    return members


def stand_ins():
    """[first, last, stand-in] of the code points that Oniguruma and PCRE2 put into different categories."""
    ours, theirs = {}, {}
    for category in CATEGORIES:
        ours.update(dict.fromkeys(pcre2_members(rf"\p{{{category}}}"), category))
        theirs.update(dict.fromkeys(oniguruma_members(rf"\p{{{category}}}"), category))
    assert oniguruma_members(r"\s") == pcre2_members(r"\s") - {MONGOLIAN_VOWEL_SEPARATOR}
    different = [c for c in CODE_POINTS if ours[c] != theirs[c] or c == MONGOLIAN_VOWEL_SEPARATOR]
    ranges = []
    for c in different:
        stand_in = STAND_INS[len(chr(c).encode())][theirs[c]]
        assert ours[stand_in] == theirs[stand_in] == theirs[c], hex(stand_in)
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == stand_in:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, stand_in])
    return ranges


def numeric():
    """What the pre-tokenizer Digits takes for digits: pieces that are numeric and others alternate, beginning with U+0001."""
    text = "".join(map(chr, CODE_POINTS))
    pieces = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str(text)
    return {CODE_POINTS[i] for _, (begin, end) in pieces[1::2] for i in range(begin, end)}


def word_characters():
    """What keeps an added token with single_word from matching when it stands before the token."""
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("<m>", single_word=True, normalized=False)])
    members = set()
    for begin in range(0, len(CODE_POINTS), 1000):
        chunk = CODE_POINTS[begin : begin + 1000]
        encoding = tokenizer.encode("".join(chr(c) + "<m> " for c in chunk), add_special_tokens=False)
        found = {begin for token, (begin, _) in zip(encoding.ids, encoding.offsets) if token != 0}
        members.update(c for i, c in enumerate(chunk) if 5 * i + 1 not in found)
    return members


class Utf8proc:
    def __init__(self):
        self.library = ctypes.CDLL("libutf8proc.so.2")
        self.library.utf8proc_NFC.restype = ctypes.c_void_p
        self.library.utf8proc_get_property.restype = ctypes.POINTER(ctypes.c_uint16)
        self.libc = ctypes.CDLL(None)
        self.libc.free.argtypes = [ctypes.c_void_p]

    def nfc(self, text):
        pointer = self.library.utf8proc_NFC(text.encode())
        result = ctypes.string_at(pointer).decode()
        self.libc.free(pointer)
        return result

    def combining_class(self, code_point):
        return self.library.utf8proc_get_property(code_point)[1]


def inert():
    """Code points that the NFC of `tokenizers` does not know: it neither reorders them nor composes with them."""
    nfc, utf8proc = normalizers.NFC().normalize_str, Utf8proc()
    members = set()
    marks = [0x301, 0x323, 0x334, 0x345, 0x94D, 0x3099]  # of six different combining classes
    for c in CODE_POINTS:
        if utf8proc.combining_class(c) != 0:
            texts = [text for m in marks for text in ("a" + chr(c) + chr(m), "a" + chr(m) + chr(c))]
            if any(nfc(text) != utf8proc.nfc(text) for text in texts):
                members.add(c)
        assert nfc(chr(c)) == utf8proc.nfc(chr(c)), hex(c)
    # Pairs that compose: of what utf8proc decomposes, only U+11938 is newer than Unicode 9. And utf8proc 2.8 swallows
    # U+11A7 after a Hangul syllable, since the vowels' end marks index 0 of the consonants that may follow.
    for pair in "\U00011935\U00011930", "\uac00\u11a7":
        if nfc(pair) != utf8proc.nfc(pair):
            members.add(ord(pair[1]))
    return members


def ranges_of(members):
    ranges = []
    for c in sorted(members):
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return ranges


def print_table(name, element, rows):
    print(f"\nconst std::array<{element}, {len(rows)}> {name} = {{{{")
    line = ""
    for row in rows:
        entry = "{" + ", ".join(f"0x{value:X}" for value in row) + "},"
        if len(line) + len(entry) > 116:
            print("   " + line)
            line = ""
        line += " " + entry
    print("   " + line + "\n}};")


def main():
    print("// SPDX-License-Identifier: Apache-2.0")
    print(f"// Written by tests/engine/tokenizer/make_unicode_tables.py from tokenizers {tokenizers.__version__}.")
    print('#include "engine/model/tokenizer/unicode_tables.h"\n')
    print("namespace pivot::tokenizer {\n")
    print("// clang-format off")
    print_table("kStandIns", "StandInRange", stand_ins())
    print_table("kNumeric", "CodePointRange", ranges_of(numeric()))
    print_table("kWordCharacters", "CodePointRange", ranges_of(word_characters()))
    print_table("kInertForNfc", "CodePointRange", ranges_of(inert()))
    print("\n// clang-format on\n\n}  // namespace pivot::tokenizer")


if __name__ == "__main__":
    main()
