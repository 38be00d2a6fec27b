// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CATEGORY_TABLES_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CATEGORY_TABLES_H_

// Where PyPI `tokenizers` and utf8proc disagree, ascending. unicode.h has the questions that they answer.

#include <array>

#include "engine/model/tokenizer/unicode_tables.h"

namespace pivot::tokenizer {

struct LowercasePair {
  char32_t first;
  char32_t lower;
};

extern const std::array<CodePointRange, 34> kOtherPunctuation;
extern const std::array<CodePointRange, 4> kOtherControls;
extern const std::array<CodePointRange, 92> kOtherNonspacing;
extern const std::array<CodePointRange, 77> kOtherMarks;
extern const std::array<CodePointRange, 20> kOtherExtending;
extern const std::array<CodePointRange, 10> kOtherCompatibility;
extern const std::array<LowercasePair, 55> kOtherLowercase;

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CATEGORY_TABLES_H_
