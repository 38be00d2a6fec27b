// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/model.h"

#include <optional>

#include "absl/types/span.h"

#include "proto/status/status_macros.h"

namespace pivot::tokenizer {

absl::Status Model::EncodeRemembering(absl::string_view word, WordScratch* scratch, std::vector<int32_t>* ids) const {
  std::optional<absl::Span<const int32_t>> word_ids;
  if (word.size() <= WordCache::kMaxWordBytes) word_ids = scratch->cache.Find(word);
  if (!word_ids.has_value()) {
    scratch->word_ids.clear();
    PIVOT_RETURN_IF_ERROR(EncodeNewWord(word, scratch));
    scratch->cache.Add(word, scratch->word_ids);
    word_ids = scratch->word_ids;
  }
  ids->insert(ids->end(), word_ids->begin(), word_ids->end());
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
