// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_SPLIT_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_SPLIT_H_

// The steps of a pre-tokenizer: each cuts a piece of text into smaller ones.

#include <cstddef>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/regex.h"

namespace pivot::tokenizer {

/// Text and its shadow (unicode.h), byte for byte alongside; mostly the same memory. `origin_bytes` is as in TextView.
struct Piece {
  absl::string_view text;
  absl::string_view shadow;
  size_t origin_bytes = 0;

  bool empty() const { return text.empty(); }
  Piece Sub(size_t begin, size_t end) const {
    const size_t rest = begin < origin_bytes ? origin_bytes - begin : 0;
    return {text.substr(begin, end - begin), shadow.substr(begin, end - begin),
            rest < end - begin ? rest : end - begin};
  }
};

/// Receives pieces in the order of the text. The views are valid during the call.
using PieceSink = absl::FunctionRef<absl::Status(const Piece&)>;

/// Immutable; concurrent calls need a scratch each. The first error, the sink's or a pattern's, ends the call.
class SplitStep {
 public:
  virtual ~SplitStep() = default;
  /// `piece` is not empty, nor is what the sink receives.
  virtual absl::Status Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const = 0;
};

/// What becomes of a match (the delimiter) and of the text between matches. Neighbours are joined, in "the-final--day"
/// split at "-", to: "the" "final" "day", all parts alone, "the-" "final-" "-" "day", "the" "-final" "-" "-day", "the"
/// "-" "final" "--" "day".
enum class DelimiterBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Which parts count as delimiters.
enum class DelimiterRole { kMatches, kWhatIsBetween };

/// Joins consecutive parts of a piece as a behaviour asks, and passes them on. Parts are added in the order of the
/// text.
class PartJoiner {
 public:
  PartJoiner(const Piece& piece, DelimiterBehavior behavior, PieceSink sink)
      : piece_(piece), behavior_(behavior), sink_(sink) {}

  absl::Status Add(MatchRange range, bool is_delimiter);
  /// After the last part.
  absl::Status Finish();

 private:
  bool JoinsPending(bool is_delimiter) const;

  const Piece& piece_;
  DelimiterBehavior behavior_;
  PieceSink sink_;
  MatchRange pending_ = {0, 0};
  bool has_pending_ = false;
  bool pending_is_delimiter_ = false;  // the last part of it
};

/// Splits at the matches of a pattern.
class PatternSplit : public SplitStep {
 public:
  /// Literal patterns see the text itself, others its shadow.
  enum class Subject { kText, kShadow };

  PatternSplit(Regex regex, Subject subject, DelimiterBehavior behavior, DelimiterRole role)
      : regex_(std::move(regex)), subject_(subject), behavior_(behavior), role_(role) {}

  absl::Status Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const override;

 private:
  Regex regex_;
  Subject subject_;
  DelimiterBehavior behavior_;
  DelimiterRole role_;
};

/// Splits at the characters of a class.
class ClassSplit : public SplitStep {
 public:
  using Class = bool (*)(char32_t code_point);
  ClassSplit(Class is_delimiter, DelimiterBehavior behavior) : is_delimiter_(is_delimiter), behavior_(behavior) {}
  absl::Status Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const override;

 private:
  Class is_delimiter_;
  DelimiterBehavior behavior_;
};

/// Passes on runs of word characters and runs of others, without white space.
class WordSplit : public SplitStep {
 public:
  absl::Status Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const override;
};

/// Splits nothing: puts a space before what does not begin with one.
class PrefixSpace : public SplitStep {
 public:
  absl::Status Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const override;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_SPLIT_H_
