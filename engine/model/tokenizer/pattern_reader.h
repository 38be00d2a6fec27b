// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_PATTERN_READER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_PATTERN_READER_H_

// The smallest parts of an Oniguruma pattern: characters, escapes, counts.

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// "\n", "\u3000": a character. "\s", "\p{L}": a class, which PCRE2 knows by `class_pattern`, else "".
struct Escape {
  char32_t code_point;
  std::string class_pattern;
};

/// "{1,3}", in PCRE2's form.
struct Interval {
  std::string text;
  bool is_exact;  // "{3}"
};

/// Members of Oniguruma's \w, in PCRE2's syntax, to stand in a class. Where it is not itself in a class, \w has six
/// more.
extern const char kWordMembers[];
extern const char kMoreWordMembers[];

/// PCRE2's pattern for one character, alone or in a class.
std::string LiteralPattern(char32_t code_point);

/// Reads a pattern from left to right. The pattern must outlive it.
class PatternReader {
 public:
  explicit PatternReader(absl::string_view pattern) : pattern_(pattern) {}

  bool AtEnd() const { return offset_ == pattern_.size(); }
  /// The next byte, 0 at the end.
  char Peek() const { return AtEnd() ? '\0' : pattern_[offset_]; }
  bool Starts(absl::string_view prefix) const { return pattern_.substr(offset_, prefix.size()) == prefix; }

  /// Not at the end.
  char Take() { return pattern_[offset_++]; }
  char32_t TakeCharacter();
  /// Skips `prefix` if it comes next.
  bool Consume(absl::string_view prefix);

  /// At a backslash. Refuses \w and \W, whose translation depends on the place, and what has no translation.
  absl::StatusOr<Escape> TakeEscape();
  /// At "{". nullopt, and nothing is read, if it is an ordinary brace.
  absl::StatusOr<std::optional<Interval>> TakeInterval();

  /// UNSUPPORTED_TOKENIZER: what the pattern has here.
  absl::Status Refuse(absl::string_view what) const;

 private:
  absl::StatusOr<Escape> TakeProperty();
  absl::StatusOr<Escape> TakeCodePoint(char kind);
  /// The hexadecimal digits that come next, at most `max_digits`.
  absl::string_view TakeHexDigits(size_t max_digits);
  /// A number below 1000; nullopt, if there is none.
  std::optional<int> TakeCount();

  absl::string_view pattern_;
  size_t offset_ = 0;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_PATTERN_READER_H_
