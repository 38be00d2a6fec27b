// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/word_piece.h"

#include <utility>

#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {

WordPiece::WordPiece(PrefixTree tokens, const Options& options)
    : tokens_(std::move(tokens)),
      continuing_node_(tokens_.NodeOf(options.continuing_prefix)),
      unknown_id_(options.unknown_id),
      max_characters_(options.max_characters) {}

absl::Status WordPiece::EncodeNewWord(absl::string_view word, WordScratch* scratch) const {
  const auto give_up = [&] {
    scratch->word_ids.assign(1, unknown_id_);
    return absl::OkStatus();
  };
  if (CountCharacters(word) > max_characters_) return give_up();
  for (size_t begin = 0; begin < word.size();) {
    int32_t node = begin == 0 ? PrefixTree::kRoot : continuing_node_;
    int32_t id = PrefixTree::kNone;
    size_t longest_end = begin;
    for (size_t end = begin; node != PrefixTree::kNone && end < word.size();) {
      node = tokens_.Next(node, word[end++]);
      if (node == PrefixTree::kNone || tokens_.IdAt(node) == PrefixTree::kNone) continue;
      id = tokens_.IdAt(node);
      longest_end = end;
    }
    if (id == PrefixTree::kNone) return give_up();
    scratch->word_ids.push_back(id);
    begin = longest_end;
  }
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
