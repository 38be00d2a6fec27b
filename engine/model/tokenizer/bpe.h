// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_BPE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_BPE_H_

// Byte-pair encoding of words that are bytes.

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/merge_table.h"
#include "engine/model/tokenizer/model.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

/// The ids of the 256 tokens of one byte, -1 for those that the vocabulary lacks.
std::array<int32_t, 256> ByteAlphabetIds(const Vocabulary& vocabulary);

/// Copies nothing of the vocabulary, which must outlive it.
class Bpe : public Model {
 public:
  /// "ignore_merges": a word that is a token is that token.
  enum class WholeWords { kMerged, kFirst };

  Bpe(const Vocabulary& vocabulary, MergeTable merges, WholeWords whole_words);

  WordForm word_form() const override { return WordForm::kBytes; }

 protected:
  /// A byte without a token is left out, as `tokenizers` does.
  ///
  /// Cost: O(n log n) for n bytes.
  absl::Status EncodeNewWord(absl::string_view word, WordScratch* scratch) const override;

 private:
  const Vocabulary* vocabulary_;
  std::array<int32_t, 256> id_by_byte_;
  MergeTable merges_;
  WholeWords whole_words_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_BPE_H_
