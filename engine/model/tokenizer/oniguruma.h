// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_ONIGURUMA_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_ONIGURUMA_H_

// Regular expressions of tokenizer.json, which are Oniguruma's (Ruby's syntax), for PCRE2.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// A PCRE2 pattern (options UTF and UCP) that matches in the shadow of a text (unicode.h) where `pattern` matches in
/// the text. `pattern` is valid UTF-8.
///
/// Understands what pre-tokenizers are written in: literals, ".", classes of literals, ranges, \s \d \w and general
/// categories, groups, (?i:...), (?>...), lookaround, alternatives, and greedy, lazy and possessive repetition. The
/// rest is refused with UNSUPPORTED_TOKENIZER, also where both have it, since the two seldom mean the same: "{1,3}+" is
/// possessive in PCRE2 and two repetitions in Oniguruma, \h is a space here and a hexadecimal digit there, (?i:ss)
/// matches "ß" only there, \w has other members.
absl::StatusOr<std::string> TranslateOniguruma(absl::string_view pattern);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_ONIGURUMA_H_
