// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_MODEL_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_MODEL_H_

// What turns a word into ids: byte-pair encoding, Unigram, WordPiece.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/word_scratch.h"

namespace pivot::tokenizer {

/// Immutable; concurrent calls need a scratch each, and a scratch serves one model.
class Model {
 public:
  /// What the words of a byte-level pre-tokenizer are given as: raw bytes, or the letters that stand for them.
  enum class WordForm { kBytes, kText };

  virtual ~Model() = default;

  virtual WordForm word_form() const { return WordForm::kText; }

  /// Appends the ids of a word, which is not empty, shorter than 2^31 bytes and, if it is text, valid UTF-8.
  /// Errors: kInvalidArgument if the model has no id for a part of the word, not even one for what is unknown.
  virtual absl::Status EncodeWord(absl::string_view word, WordScratch* scratch, std::vector<int32_t>* ids) const {
    return EncodeRemembering(word, scratch, ids);
  }

 protected:
  /// EncodeNewWord, but for words that the scratch remembers.
  absl::Status EncodeRemembering(absl::string_view word, WordScratch* scratch, std::vector<int32_t>* ids) const;

  /// Puts the word's ids into `scratch->word_ids`, which is empty.
  virtual absl::Status EncodeNewWord(absl::string_view word, WordScratch* scratch) const = 0;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_MODEL_H_
