// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_PRE_TOKENIZER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_PRE_TOKENIZER_H_

// Cuts text into the words that a model works on.

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/normalized_text.h"
#include "engine/model/tokenizer/split.h"

namespace pivot::tokenizer {

/// Immutable; concurrent calls need a scratch each.
class PreTokenizer {
 public:
  /// Leaves each text whole.
  PreTokenizer() = default;

  /// Of the file's member "pre_tokenizer", which may be null. Understands BertPreTokenizer, ByteLevel,
  /// CharDelimiterSplit, Digits, Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit and Sequence; ByteLevel
  /// must come last and once, as what comes after it would see other characters. kInvalidArgument or
  /// UNSUPPORTED_TOKENIZER otherwise.
  static absl::StatusOr<PreTokenizer> Create(const nlohmann::json* pre_tokenizer);

  /// Whether words are meant as bytes, in a vocabulary whose letters stand for bytes.
  bool is_byte_level() const { return has_byte_level_; }

  /// Calls `on_word` for each word, in the order of the text, until it fails. `text.text` is valid UTF-8.
  absl::Status Split(TextView text, RegexScratch* scratch,
                     absl::FunctionRef<absl::Status(absl::string_view)> on_word) const;

 private:
  absl::Status Add(const nlohmann::json& component, int depth);
  absl::Status AddSequence(const nlohmann::json& component, int depth);
  absl::Status AddByteLevel(const nlohmann::json& component);
  absl::Status AddClasses(const nlohmann::json& component, absl::string_view type);
  absl::Status AddSplit(const nlohmann::json& component);
  absl::Status RunFrom(size_t step, const Piece& piece, RegexScratch* scratch,
                       absl::FunctionRef<absl::Status(absl::string_view)> on_word) const;

  std::vector<std::unique_ptr<const SplitStep>> steps_;
  bool has_byte_level_ = false;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_PRE_TOKENIZER_H_
