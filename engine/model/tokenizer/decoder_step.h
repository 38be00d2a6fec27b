// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_DECODER_STEP_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_DECODER_STEP_H_

// The steps of a decoder: each changes the texts of the tokens, or puts some together.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot::tokenizer {

/// Immutable.
class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  /// All texts are valid UTF-8, before and after.
  virtual void Apply(std::vector<std::string>* tokens) const = 0;
};

/// A step of any type but Sequence. kInvalidArgument when a member is wrong; UNSUPPORTED_TOKENIZER for an unknown type,
/// and for regular expressions, which no decoder is known to have.
absl::StatusOr<std::unique_ptr<const DecoderStep>> ReadDecoderStep(const nlohmann::json& component,
                                                                   absl::string_view type);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_DECODER_STEP_H_
