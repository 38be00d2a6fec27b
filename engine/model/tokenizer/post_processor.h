// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_POST_PROCESSOR_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_POST_PROCESSOR_H_

// Special tokens around the ids of a text.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nlohmann/json.hpp"

namespace pivot::tokenizer {

enum class TemplateTokens { kAdd, kOmit };

/// Immutable.
class PostProcessor {
 public:
  /// Of the file's member "post_processor", which may be null. Understands ByteLevel, which changes offsets only,
  /// TemplateProcessing and Sequence with at most one template. kInvalidArgument or UNSUPPORTED_TOKENIZER otherwise.
  static absl::StatusOr<PostProcessor> Create(const nlohmann::json* post_processor);

  std::vector<int32_t> Apply(std::vector<int32_t> text_ids, TemplateTokens tokens) const;

  /// One more than the largest id it adds.
  int32_t id_limit() const;

 private:
  /// The text's ids, or some tokens'.
  struct Part {
    bool is_text;
    std::vector<int32_t> ids;
  };

  PostProcessor() = default;

  absl::Status Add(const nlohmann::json& component, int depth);
  absl::Status AddTemplate(const nlohmann::json& component);
  static absl::StatusOr<Part> ReadPart(const nlohmann::json& piece, const nlohmann::json& component);

  std::optional<std::vector<Part>> template_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_POST_PROCESSOR_H_
