// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_CLASS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_CLASS_H_

// "[...]" in an Oniguruma pattern.

#include <string>

#include "absl/status/statusor.h"

#include "engine/model/tokenizer/pattern_reader.h"

namespace pivot::tokenizer {

enum class LetterCase { kSensitive, kIgnored };

/// Reads a class, whose "[" comes next, and returns PCRE2's pattern for it. Refuses classes in classes, intersections,
/// \W, and ranges that a text and its shadow disagree on (unicode.h); where case is ignored, all but plain lists of
/// ASCII.
absl::StatusOr<std::string> TranslateClass(LetterCase letter_case, PatternReader* reader);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_CLASS_H_
