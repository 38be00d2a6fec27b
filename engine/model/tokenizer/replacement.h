// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_REPLACEMENT_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_REPLACEMENT_H_

// The normalizer "Replace": every match of a pattern becomes another text.

#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/regex.h"

namespace pivot::tokenizer {

/// Immutable; concurrent calls need a scratch each.
class Replacement {
 public:
  /// `what` names the component in messages. Errors: those of TranslateOniguruma; kInvalidArgument when it has not the
  /// form of a replacement; UNSUPPORTED_TOKENIZER for an empty pattern.
  static absl::StatusOr<Replacement> Create(const nlohmann::json& component, absl::string_view what);

  const std::string& content() const { return content_; }

  /// Calls one of the two for each part of the text, in order: for what stays, and for what must be replaced.
  absl::Status ForEachPart(absl::string_view text, RegexScratch* scratch,
                           absl::FunctionRef<void(absl::string_view)> on_rest,
                           absl::FunctionRef<void(absl::string_view)> on_match) const;

 private:
  explicit Replacement(std::string content) : content_(std::move(content)) {}

  std::string literal_;
  std::optional<Regex> regex_;  // instead of literal_
  std::string content_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_REPLACEMENT_H_
