// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_VOCABULARY_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_VOCABULARY_H_

// The model's vocabulary: texts of tokens and their ids, without the added tokens.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/text_list.h"

namespace pivot::tokenizer {

/// Immutable; ids may have gaps. Moving it keeps views valid.
class Vocabulary {
 public:
  /// `ids[i]` is the id of `tokens[i]`. kInvalidArgument when a text or an id appears twice.
  static absl::StatusOr<Vocabulary> Create(TextList tokens, const std::vector<int32_t>& ids);

  std::optional<int32_t> Find(absl::string_view token) const;
  std::optional<absl::string_view> TextOf(int32_t id) const;

  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  /// One more than the largest id.
  int32_t id_limit() const { return static_cast<int32_t>(index_by_id_.size()); }

 private:
  Vocabulary() = default;

  TextList tokens_;
  std::vector<int32_t> index_by_id_;  // into tokens_; -1 for a gap
  absl::flat_hash_map<absl::string_view, int32_t> id_by_token_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_VOCABULARY_H_
