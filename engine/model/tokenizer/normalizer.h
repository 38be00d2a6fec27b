// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_H_

// What happens to the text first.

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/normalized_text.h"
#include "engine/model/tokenizer/normalizer_step.h"
#include "engine/model/tokenizer/regex.h"

namespace pivot::tokenizer {

/// Immutable; concurrent calls need a scratch each.
class Normalizer {
 public:
  /// Changes nothing.
  Normalizer() = default;
  explicit Normalizer(std::unique_ptr<const NormalizerStep> step) { steps_.push_back(std::move(step)); }

  /// Of the file's member "normalizer", which may be null. Understands NFC, NFD, NFKC, NFKD, Lowercase, Prepend,
  /// Replace, Strip, StripAccents, BertNormalizer, Nmt, Precompiled and Sequence. kInvalidArgument or
  /// UNSUPPORTED_TOKENIZER otherwise.
  static absl::StatusOr<Normalizer> Create(const nlohmann::json* normalizer);

  /// The normalized text: `text` itself, or a view of `*storage`. `text.text` is valid UTF-8.
  absl::StatusOr<TextView> Apply(TextView text, RegexScratch* scratch, NormalizedText* storage) const;

 private:
  absl::Status Add(const nlohmann::json& component, int depth);
  absl::Status AddBert(const nlohmann::json& component);
  absl::Status AddPrecompiled(const nlohmann::json& component);

  std::vector<std::unique_ptr<const NormalizerStep>> steps_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_H_
