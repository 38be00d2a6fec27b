// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_QUALITY_FILTER_H_
#define PIVOT_ENGINE_CALIBRATION_QUALITY_FILTER_H_

// Tells prose from what should not be calibrated on.

#include <array>
#include <optional>

#include "absl/strings/string_view.h"

namespace pivot {

/// In the order in which they are tried; names are those of the report.
enum class QualityRule {
  kShort,              // fewer than 100 characters
  kNotAscii,           // less than 80 % of the characters are ASCII
  kFewWords,           // fewer than 20 words, which white space separates
  kWordLength,         // words of fewer than 2 or more than 15 characters on average
  kFewSentences,       // fewer than two of . ! ?
  kRepeatedWord,       // a word five times in a row, upper and lower case alike
  kHtml,               // a tag or a comment of HTML
  kSpecialCharacters,  // more than 5 % of the characters are ASCII, no letter, digit or space, none of . , ; : ! ? ' "
                       // ( ) -
  kUrls,               // more than five of http://, https:// and www.
  kDigits,             // more than 30 % of the characters are digits
};

inline constexpr std::array<absl::string_view, 10> kQualityRuleNames = {
    "short",         "not_ascii", "few_words",          "word_length", "few_sentences",
    "repeated_word", "html",      "special_characters", "urls",        "digits"};

/// The first rule that a text breaks; nothing for one that is kept. `text` is valid UTF-8, a character is a code point.
///
/// Source: the thresholds are those of OneComp's filter (arXiv:2603.28845). It is made for English.
/// Cost:   linear in the text's length.
std::optional<QualityRule> BrokenRule(absl::string_view text);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_QUALITY_FILTER_H_
