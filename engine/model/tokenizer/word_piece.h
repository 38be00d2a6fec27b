// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_WORD_PIECE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_WORD_PIECE_H_

// The longest token that a word begins with, then the longest that what is left begins with: BERT.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/model.h"
#include "engine/model/tokenizer/prefix_tree.h"

namespace pivot::tokenizer {

class WordPiece : public Model {
 public:
  struct Options {
    int32_t unknown_id = 0;  // of a word that cannot be cut so, or is longer than:
    size_t max_characters = 100;
    std::string continuing_prefix;  // begins the tokens of all parts but the first
  };

  WordPiece(PrefixTree tokens, const Options& options);

 protected:
  /// Cost: O(n l) for n bytes and a longest token of l bytes.
  absl::Status EncodeNewWord(absl::string_view word, WordScratch* scratch) const override;

 private:
  PrefixTree tokens_;
  int32_t continuing_node_;  // where the tokens of further parts begin; PrefixTree::kNone without any
  int32_t unknown_id_;
  size_t max_characters_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_WORD_PIECE_H_
