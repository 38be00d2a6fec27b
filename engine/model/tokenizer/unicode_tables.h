// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_TABLES_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_TABLES_H_

// Sets of code points, as ascending ranges that do not touch. unicode.h has the questions that they answer.

#include <array>

namespace pivot::tokenizer {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

/// Code points that regular expressions are shown another one for.
struct StandInRange {
  char32_t first;
  char32_t last;
  char32_t stand_in;
};

extern const std::array<StandInRange, 128> kStandIns;
extern const std::array<CodePointRange, 146> kNumeric;
extern const std::array<CodePointRange, 796> kWordCharacters;
extern const std::array<CodePointRange, 38> kInertForNfc;

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_TABLES_H_
