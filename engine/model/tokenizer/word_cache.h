// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_WORD_CACHE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_WORD_CACHE_H_

// Remembers the ids of short words: in any language a few thousand words make up most of a text.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot::tokenizer {

/// Not synchronised. Holds at most kMaxWords words of at most kMaxWordBytes bytes, some 10 MB, and forgets all when
/// full: what is frequent is soon there again, also after the text has changed its language.
class WordCache {
 public:
  static constexpr size_t kMaxWords = size_t{1} << 15U;
  static constexpr size_t kMaxWordBytes = 48;

  /// The ids, valid until the next Add; nullopt when the word is not remembered.
  std::optional<absl::Span<const int32_t>> Find(absl::string_view word) const {
    const auto found = words_.find(word);
    if (found == words_.end()) return std::nullopt;
    return absl::MakeConstSpan(ids_.data() + found->second.begin, found->second.count);
  }

  /// Long words are not taken.
  void Add(absl::string_view word, absl::Span<const int32_t> ids) {
    if (word.size() > kMaxWordBytes) return;
    if (words_.size() == kMaxWords) {
      words_.clear();
      ids_.clear();
    }
    words_.emplace(word, Range{static_cast<uint32_t>(ids_.size()), static_cast<uint32_t>(ids.size())});
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }

 private:
  struct Range {
    uint32_t begin;
    uint32_t count;
  };

  absl::flat_hash_map<std::string, Range> words_;
  std::vector<int32_t> ids_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_WORD_CACHE_H_
