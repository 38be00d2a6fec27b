// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_REGEX_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_REGEX_H_

// PCRE2: compiled patterns, searched in valid UTF-8.

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// PCRE2's own names, so that its header stays out of this one.
struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;
struct pcre2_real_jit_stack_8;

namespace pivot::tokenizer {

struct MatchRange {
  size_t begin;
  size_t end;
};

/// What a search needs besides the pattern; one for each thread, good for all patterns.
class RegexScratch {
 public:
  RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;
  ~RegexScratch();

 private:
  friend class Regex;

  pcre2_real_jit_stack_8* jit_stack_;
  pcre2_real_match_context_8* context_;
  pcre2_real_match_data_8* match_data_;
};

/// Immutable; concurrent searches need a scratch each.
class Regex {
 public:
  /// A pattern in PCRE2's syntax, with Unicode's classes. kInvalidArgument when PCRE2 refuses it.
  static absl::StatusOr<Regex> Compile(absl::string_view pattern);

  /// A pattern that matches this text only.
  static absl::StatusOr<Regex> CompileLiteral(absl::string_view text);

  /// The first match that begins at or after `from`, which is between two characters; nullopt when there is none.
  /// kResourceExhausted when the pattern needs more steps or memory for this text than PCRE2's limits allow.
  absl::StatusOr<std::optional<MatchRange>> Find(absl::string_view text, size_t from, RegexScratch* scratch) const;

 private:
  explicit Regex(std::shared_ptr<const pcre2_real_code_8> code) : code_(std::move(code)) {}

  std::shared_ptr<const pcre2_real_code_8> code_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_REGEX_H_
