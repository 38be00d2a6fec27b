// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_POST_PROCESSOR_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_POST_PROCESSOR_H_

// Special tokens around the ids of a text.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nlohmann/json.hpp"

namespace pivot::tokenizer {

enum class TemplateTokens { kAdd, kOmit };

/// Immutable.
class PostProcessor {
 public:
  /// Adds nothing.
  PostProcessor() = default;
  /// Puts ids before and after each text.
  PostProcessor(std::vector<int32_t> before, std::vector<int32_t> after);

  /// Of the file's member "post_processor", which may be null. Understands ByteLevel, which changes offsets only,
  /// TemplateProcessing, BertProcessing and RobertaProcessing, which put one token before and one after, and Sequence
  /// with at most one of these three. kInvalidArgument or UNSUPPORTED_TOKENIZER otherwise.
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

  absl::Status Add(const nlohmann::json& component, int depth);
  absl::Status AddTemplate(const nlohmann::json& component);
  absl::Status AddPair(const nlohmann::json& component, absl::string_view type);
  static absl::StatusOr<Part> ReadPart(const nlohmann::json& piece, const nlohmann::json& component);

  std::vector<Part> template_;
  bool has_template_ = false;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_POST_PROCESSOR_H_
