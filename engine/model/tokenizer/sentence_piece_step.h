// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_STEP_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_STEP_H_

// How SentencePiece normalizes a text.

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/charsmap.h"
#include "engine/model/tokenizer/normalizer_step.h"
#include "engine/model/tokenizer/prefix_tree.h"

namespace pivot::tokenizer {

/// Source: Normalizer::Normalize of normalizer.cc in google/sentencepiece. Of a text's parts only the first gets the
/// dummy prefix: LlamaTokenizer of transformers, too, puts none behind a special token.
class SentencePieceStep : public NormalizerStep {
 public:
  struct Options {
    std::optional<Charsmap> charsmap;
    PrefixTree fixed;  // texts that no rule touches
    bool adds_dummy_prefix = true;
    bool removes_extra_spaces = true;
    bool escapes_spaces = true;
    bool space_is_suffix = false;
  };

  explicit SentencePieceStep(Options options) : options_(std::move(options)) {}
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  /// What the front of a text becomes, and how much of it that is for.
  Charsmap::Rule FrontOf(absl::string_view text) const;
  /// Without the spaces in front.
  absl::string_view WithoutLeadingSpaces(absl::string_view text) const;
  void Append(absl::string_view text, std::string* result) const;

  Options options_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_STEP_H_
