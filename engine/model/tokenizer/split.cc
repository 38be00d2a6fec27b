// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/split.h"

#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/match_iterator.h"
#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
bool PartJoiner::JoinsPending(bool is_delimiter) const {
  switch (behavior_) {
    case DelimiterBehavior::kMergedWithPrevious:
      return is_delimiter && !pending_is_delimiter_;
    case DelimiterBehavior::kMergedWithNext:
      return !is_delimiter && pending_is_delimiter_;
    case DelimiterBehavior::kContiguous:
      return is_delimiter == pending_is_delimiter_;
    case DelimiterBehavior::kRemoved:
    case DelimiterBehavior::kIsolated:
      return false;
  }
  return false;
}

absl::Status PartJoiner::Add(MatchRange range, bool is_delimiter) {
  if (is_delimiter && behavior_ == DelimiterBehavior::kRemoved) return Finish();
  if (has_pending_ && JoinsPending(is_delimiter)) {
    pending_.end = range.end;
  } else {
    PIVOT_RETURN_IF_ERROR(Finish());
    pending_ = range;
    has_pending_ = true;
  }
  pending_is_delimiter_ = is_delimiter;
  return absl::OkStatus();
}

absl::Status PartJoiner::Finish() {
  if (!has_pending_) return absl::OkStatus();
  has_pending_ = false;
  const Piece part = piece_.Sub(pending_.begin, pending_.end);
  return part.empty() ? absl::OkStatus() : sink_(part);
}

absl::Status PatternSplit::Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const {
  const bool matches_delimit = role_ == DelimiterRole::kMatches;
  PartJoiner joiner(piece, behavior_, sink);
  MatchIterator matches(regex_, subject_ == Subject::kText ? piece.text : piece.shadow, scratch);
  size_t done = 0;
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const std::optional<MatchRange> match, matches.Next());
    if (!match.has_value()) break;
    if (done != match->begin) PIVOT_RETURN_IF_ERROR(joiner.Add({done, match->begin}, !matches_delimit));
    PIVOT_RETURN_IF_ERROR(joiner.Add(*match, matches_delimit));
    done = match->end;
  }
  if (done != piece.text.size()) PIVOT_RETURN_IF_ERROR(joiner.Add({done, piece.text.size()}, !matches_delimit));
  return joiner.Finish();
}

absl::Status ClassSplit::Split(const Piece& piece, RegexScratch* /*scratch*/, PieceSink sink) const {
  PartJoiner joiner(piece, behavior_, sink);
  size_t done = 0;
  for (size_t offset = 0; offset < piece.text.size();) {
    const Character character = CharacterAt(piece.text, offset);
    const size_t next = offset + character.num_bytes;
    if (is_delimiter_(character.code_point)) {
      if (done != offset) PIVOT_RETURN_IF_ERROR(joiner.Add({done, offset}, false));
      PIVOT_RETURN_IF_ERROR(joiner.Add({offset, next}, true));
      done = next;
    }
    offset = next;
  }
  if (done != piece.text.size()) PIVOT_RETURN_IF_ERROR(joiner.Add({done, piece.text.size()}, false));
  return joiner.Finish();
}

absl::Status WordSplit::Split(const Piece& piece, RegexScratch* /*scratch*/, PieceSink sink) const {
  enum class Kind { kSpace, kWord, kOther };
  const auto kind_of = [](char32_t code_point) {
    if (IsWhiteSpace(code_point)) return Kind::kSpace;
    return IsWordCharacter(code_point) ? Kind::kWord : Kind::kOther;
  };
  Kind run = Kind::kSpace;
  size_t begin = 0;
  for (size_t offset = 0; offset <= piece.text.size();) {
    const bool is_end = offset == piece.text.size();
    const Character character = is_end ? Character{' ', 1} : CharacterAt(piece.text, offset);
    const Kind kind = is_end ? Kind::kSpace : kind_of(character.code_point);
    if (kind != run) {
      if (run != Kind::kSpace) PIVOT_RETURN_IF_ERROR(sink(piece.Sub(begin, offset)));
      begin = offset;
      run = kind;
    }
    offset += character.num_bytes;
  }
  return absl::OkStatus();
}

absl::Status PrefixSpace::Split(const Piece& piece, RegexScratch* /*scratch*/, PieceSink sink) const {
  if (piece.text[0] == ' ') return sink(piece);
  const std::string text = absl::StrCat(" ", piece.text);
  const size_t origin_bytes = piece.origin_bytes == 0 ? 0 : 1 + piece.origin_bytes;
  if (piece.text.data() == piece.shadow.data()) return sink({text, text, origin_bytes});
  const std::string shadow = absl::StrCat(" ", piece.shadow);
  return sink({text, shadow, origin_bytes});
}

}  // namespace pivot::tokenizer
