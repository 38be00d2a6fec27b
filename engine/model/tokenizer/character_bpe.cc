// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/character_bpe.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {

CharacterBpe::CharacterBpe(const Vocabulary& vocabulary, MergeTable merges, CharacterPairs joined, PrefixTree fixed,
                           Options options)
    : vocabulary_(&vocabulary),
      merges_(std::move(merges)),
      joined_(std::move(joined)),
      fixed_(std::move(fixed)),
      byte_tokens_(vocabulary),
      options_(std::move(options)) {}

bool CharacterBpe::Parts(absl::string_view word, size_t left, size_t right) const {
  const Character before = CharacterAt(word, left);
  const Character after = CharacterAt(word, right);
  if (joined_.Contains(before.code_point, after.code_point)) return false;
  // Unknown neighbours may become one token, and byte tokens may have merges of their own.
  return vocabulary_->Find(word.substr(left, before.num_bytes)).has_value() &&
         vocabulary_->Find(word.substr(right, after.num_bytes)).has_value();
}

absl::Status CharacterBpe::EncodeWord(absl::string_view word, WordScratch* scratch, std::vector<int32_t>* ids) const {
  if (options_.whole_words_first) {
    if (const std::optional<int32_t> id = vocabulary_->Find(word)) {
      ids->push_back(*id);
      return absl::OkStatus();
    }
  }
  size_t begin = 0;
  // With affixes a character's token depends on its place in the word.
  if (options_.continuing_prefix.empty() && options_.end_suffix.empty()) {
    for (size_t left = 0, right = CharacterAt(word, 0).num_bytes; right < word.size();) {
      if (Parts(word, left, right)) {
        PIVOT_RETURN_IF_ERROR(EncodeRemembering(word.substr(begin, right - begin), scratch, ids));
        begin = right;
      }
      left = right;
      right += CharacterAt(word, right).num_bytes;
    }
  }
  return EncodeRemembering(word.substr(begin), scratch, ids);
}

absl::string_view CharacterBpe::WithAffixes(absl::string_view word, size_t begin, size_t end,
                                            std::string* storage) const {
  const absl::string_view character = word.substr(begin, end - begin);
  const bool has_prefix = begin > 0 && !options_.continuing_prefix.empty();
  const bool has_suffix = end == word.size() && !options_.end_suffix.empty();
  if (!has_prefix && !has_suffix) return character;
  *storage =
      absl::StrCat(has_prefix ? options_.continuing_prefix : "", character, has_suffix ? options_.end_suffix : "");
  return *storage;
}

absl::Status CharacterBpe::EncodeNewWord(absl::string_view word, WordScratch* scratch) const {
  scratch->symbols.clear();
  bool has_unknown = false;  // one that is not added yet
  const auto add_unknown = [&] {
    if (has_unknown) MergeTable::AddSymbol(*options_.unknown_id, scratch);
    has_unknown = false;
  };
  std::string storage;
  for (size_t begin = 0; begin < word.size();) {
    if (const auto fixed = fixed_.LongestAtFront(word.substr(begin))) {
      add_unknown();
      MergeTable::AddSymbol(fixed->id, scratch);
      begin += fixed->num_bytes;
      continue;
    }
    const size_t end = begin + CharacterAt(word, begin).num_bytes;
    const absl::string_view token = WithAffixes(word, begin, end, &storage);
    begin = end;
    if (const std::optional<int32_t> id = vocabulary_->Find(token)) {
      add_unknown();
      MergeTable::AddSymbol(*id, scratch);
    } else if (options_.spells_unknown && byte_tokens_.Knows(token)) {
      // An unknown token before goes after the bytes, as `tokenizers` does.
      for (const char byte : token) MergeTable::AddSymbol(byte_tokens_.IdOf(byte), scratch);
    } else if (options_.unknown_id.has_value()) {
      if (!options_.fuses_unknown) add_unknown();
      has_unknown = true;
    }
  }
  add_unknown();
  merges_.MergeAll(scratch);
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
