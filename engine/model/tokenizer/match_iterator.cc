// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/match_iterator.h"

#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {

absl::StatusOr<std::optional<MatchRange>> MatchIterator::Next() {
  while (from_ <= text_.size()) {
    PIVOT_ASSIGN_OR_RETURN(const std::optional<MatchRange> match, regex_.Find(text_, from_, scratch_));
    if (!match.has_value()) break;
    if (match->begin == match->end && last_end_ == match->end) {
      from_ += from_ < text_.size() ? CharacterAt(text_, from_).num_bytes : 1;
      continue;
    }
    from_ = match->end;
    last_end_ = match->end;
    return match;
  }
  return std::nullopt;
}

}  // namespace pivot::tokenizer
