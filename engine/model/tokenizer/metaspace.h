// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_METASPACE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_METASPACE_H_

// Spaces that a vocabulary can see: a character stands for each, mostly U+2581, and words begin with it.

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/split.h"

namespace pivot::tokenizer {

struct MetaspaceOptions {
  /// Where a character goes before what does not begin with it: before each piece, the piece at the text's front, none.
  enum class Prepend { kAlways, kFirst, kNever };
  enum class Words { kSplit, kWhole };

  std::string replacement;  // one character
  Prepend prepend = Prepend::kAlways;
  Words words = Words::kSplit;
};

/// Of a pre-tokenizer or decoder "Metaspace", with "prepend_scheme" or the older "add_prefix_space". kInvalidArgument
/// when a member is wrong or the two contradict each other.
absl::StatusOr<MetaspaceOptions> ReadMetaspace(const nlohmann::json& component);

class MetaspaceStep : public SplitStep {
 public:
  explicit MetaspaceStep(MetaspaceOptions options) : options_(std::move(options)) {}
  absl::Status Split(const Piece& piece, RegexScratch* scratch, PieceSink sink) const override;

 private:
  absl::Status SplitWords(const Piece& piece, PieceSink sink) const;

  MetaspaceOptions options_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_METASPACE_H_
