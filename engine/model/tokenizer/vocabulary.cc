// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"

namespace pivot::tokenizer {
namespace {

constexpr int32_t kGap = -1;

}  // namespace

absl::StatusOr<Vocabulary> Vocabulary::Create(TextList tokens, const std::vector<int32_t>& ids) {
  Vocabulary vocabulary;
  vocabulary.tokens_ = std::move(tokens);
  const int32_t id_limit = ids.empty() ? 0 : *std::max_element(ids.begin(), ids.end()) + 1;
  vocabulary.index_by_id_.assign(static_cast<size_t>(id_limit), kGap);
  vocabulary.id_by_token_.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const absl::string_view token = vocabulary.tokens_[i];
    int32_t& index = vocabulary.index_by_id_[static_cast<size_t>(ids[i])];
    if (index != kGap) return Malformed(absl::StrCat("model.vocab: two tokens have the id ", ids[i]));
    index = static_cast<int32_t>(i);
    if (!vocabulary.id_by_token_.emplace(token, ids[i]).second) {
      return Malformed(absl::StrCat("model.vocab: the token ", Quoted(token), " appears twice"));
    }
  }
  return vocabulary;
}

std::optional<int32_t> Vocabulary::Find(absl::string_view token) const {
  const auto found = id_by_token_.find(token);
  if (found == id_by_token_.end()) return std::nullopt;
  return found->second;
}

std::optional<absl::string_view> Vocabulary::TextOf(int32_t id) const {
  if (id < 0 || id >= id_limit()) return std::nullopt;
  const int32_t index = index_by_id_[static_cast<size_t>(id)];
  if (index == kGap) return std::nullopt;
  return tokens_[static_cast<size_t>(index)];
}

}  // namespace pivot::tokenizer
