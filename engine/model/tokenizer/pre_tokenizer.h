// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_PRE_TOKENIZER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_PRE_TOKENIZER_H_

// Cuts text into the words that byte-pair encoding works on.

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/split.h"

namespace pivot::tokenizer {

/// Immutable; concurrent calls need a scratch each.
class PreTokenizer {
 public:
  /// Of the file's member "pre_tokenizer", which may be null. Understands ByteLevel, Digits, Split and Sequence;
  /// ByteLevel must come last and once, as only then words are bytes in a vocabulary of bytes. kInvalidArgument or
  /// UNSUPPORTED_TOKENIZER otherwise.
  static absl::StatusOr<PreTokenizer> Create(const nlohmann::json* pre_tokenizer);

  /// Calls `on_word` for each word, in the order of the text. `text` is valid UTF-8.
  absl::Status Split(absl::string_view text, RegexScratch* scratch,
                     absl::FunctionRef<void(absl::string_view)> on_word) const;

 private:
  PreTokenizer() = default;

  absl::Status Add(const nlohmann::json& component, int depth);
  absl::Status AddSequence(const nlohmann::json& component, int depth);
  absl::Status AddByteLevel(const nlohmann::json& component);
  absl::Status AddDigits(const nlohmann::json& component);
  absl::Status AddSplit(const nlohmann::json& component);
  absl::Status RunFrom(size_t step, const Piece& piece, RegexScratch* scratch,
                       absl::FunctionRef<void(absl::string_view)> on_word) const;

  std::vector<std::unique_ptr<const SplitStep>> steps_;
  bool has_byte_level_ = false;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_PRE_TOKENIZER_H_
