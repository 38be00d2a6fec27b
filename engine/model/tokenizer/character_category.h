// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_CATEGORY_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_CATEGORY_H_

// Categories of characters and their lower case, exactly as the normalizers and pre-tokenizers of PyPI `tokenizers` see
// them: utf8proc's data, and tables of what differs.

#include <cstddef>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// The pre-tokenizers Punctuation and BertPreTokenizer: punctuation, and ASCII's symbols.
bool IsPunctuation(char32_t code_point);

/// What BertNormalizer takes for a control character: Cc, Cf, Co, but no white space of ASCII.
bool IsBertControl(char32_t code_point);

/// BertNormalizer's idea of an ideograph.
bool IsBertIdeograph(char32_t code_point);

/// What BertNormalizer strips as accents, Mn, and what StripAccents does: Mn, Mc, Me.
bool IsNonspacingMark(char32_t code_point);
bool IsCombiningMark(char32_t code_point);

/// Whether NFKC and NFKD leave a character alone that newer Unicode data take apart.
bool IsInertForCompatibility(char32_t code_point);

/// The lower case of a character, which is one character but for U+0130: that becomes "i" and U+0307.
char32_t Lowercase(char32_t code_point);

/// The length of the first grapheme cluster, in bytes. `text` is valid UTF-8 and not empty.
size_t FirstGraphemeBytes(absl::string_view text);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_CATEGORY_H_
