// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_H_

// Properties of characters, exactly as PyPI `tokenizers` sees them.
//
// Its parts have Unicode data of different ages, and none are those of PCRE2 10.42 (Unicode 14) and utf8proc 2.8 (15).
// Ids must not depend on that, so the differences are tables here.

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// The Unicode property White_Space.
bool IsWhiteSpace(char32_t code_point);

/// How many bytes of it the text has at an end. `text` is valid UTF-8.
size_t LeadingSpaceBytes(absl::string_view text);
size_t TrailingSpaceBytes(absl::string_view text);

/// What the pre-tokenizer Digits takes for a digit: categories Nd, Nl and No of Unicode 17.
bool IsNumeric(char32_t code_point);

/// What an added token with `single_word` must not touch, and the pre-tokenizer Whitespace takes for a part of a word.
bool IsWordCharacter(char32_t code_point);

/// Whether the NFC of `tokenizers` knows neither a combining class nor a composition of this code point, though newer
/// Unicode data have one.
bool IsInertForNfc(char32_t code_point);

/// Regular expressions do not see the text but its shadow: a character that Oniguruma and PCRE2 put into different
/// categories is replaced by one that both put where Oniguruma puts the former, and that has as many bytes. So a match
/// in the shadow is, byte for byte, the match that Oniguruma finds in the text.
///
/// False for nearly all texts: then the text is its own shadow.
bool HasOtherShadow(absl::string_view text);
std::string ShadowOf(absl::string_view text);

/// Whether a pattern may name the code points `first`..`last` although it is matched against shadows: the range must
/// treat every character and its stand-in alike.
bool ShadowsAgreeOn(char32_t first, char32_t last);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_H_
