// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_MATCH_ITERATOR_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_MATCH_ITERATOR_H_

// All matches of a pattern in a text, from left to right.

#include <cstddef>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/regex.h"

namespace pivot::tokenizer {

/// Enumerates as the Rust crate `onig` does: an empty match right after a match is skipped, and the search goes on one
/// character later. What it is given must outlive it.
class MatchIterator {
 public:
  MatchIterator(const Regex& regex, absl::string_view text, RegexScratch* scratch)
      : regex_(regex), text_(text), scratch_(scratch) {}

  /// nullopt after the last one.
  absl::StatusOr<std::optional<MatchRange>> Next();

 private:
  const Regex& regex_;
  absl::string_view text_;
  RegexScratch* scratch_;
  size_t from_ = 0;
  size_t last_end_ = absl::string_view::npos;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_MATCH_ITERATOR_H_
