// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_BPE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_BPE_H_

// Byte-pair encoding of words that are text, which may be the whole of it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/byte_tokens.h"
#include "engine/model/tokenizer/character_pairs.h"
#include "engine/model/tokenizer/merge_table.h"
#include "engine/model/tokenizer/model.h"
#include "engine/model/tokenizer/prefix_tree.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

/// Copies nothing of the vocabulary, which must outlive it.
class CharacterBpe : public Model {
 public:
  struct Options {
    bool whole_words_first = false;     // a word that is a token is that token
    bool spells_unknown = false;        // in byte tokens, where all bytes have one
    bool fuses_unknown = false;         // unknown neighbours are one token
    std::optional<int32_t> unknown_id;  // nullopt: what is unknown is left out
    std::string continuing_prefix;      // before every character but a word's first
    std::string end_suffix;             // after a word's last character
  };

  /// `joined` holds the characters left and right of every seam that a merge can close, and all neighbours within a
  /// fixed text. `fixed` are texts that are tokens before anything is merged, and are not merged themselves.
  CharacterBpe(const Vocabulary& vocabulary, MergeTable merges, CharacterPairs joined, PrefixTree fixed,
               Options options);

  /// Cost: O(n log m) for n bytes of which m lie between two places that no merge can join: words, in the vocabularies
  /// of SentencePiece, where whole texts come as one word.
  absl::Status EncodeWord(absl::string_view word, WordScratch* scratch, std::vector<int32_t>* ids) const override;

 protected:
  absl::Status EncodeNewWord(absl::string_view word, WordScratch* scratch) const override;

 private:
  /// Whether no merge reaches from one character to the next, so that what is left and right of here can be encoded
  /// apart.
  bool Parts(absl::string_view word, size_t left, size_t right) const;
  absl::string_view WithAffixes(absl::string_view word, size_t begin, size_t end, std::string* storage) const;

  const Vocabulary* vocabulary_;
  MergeTable merges_;
  CharacterPairs joined_;
  PrefixTree fixed_;
  ByteTokens byte_tokens_;
  Options options_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_BPE_H_
