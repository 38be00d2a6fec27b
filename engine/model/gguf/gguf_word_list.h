// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_WORD_LIST_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_WORD_LIST_H_

// The tokens of a tokenizer.json as GGUF lists them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot {

struct GgufWordList {
  std::vector<std::string> tokens;  // by id; ids that no token has are "[PAD7]"
  std::vector<int32_t> kinds;       // of gguf_tokenizer.h
  std::vector<std::string> merges;  // "left right", in their order
  absl::flat_hash_map<std::string, int64_t> ids;

  std::optional<int64_t> Find(absl::string_view token) const;
};

/// Vocabulary, merges and added tokens, filled up to `vocab_size`. FORMAT_CANNOT_EXPRESS when the vocabulary is larger,
/// or an added token takes the spaces around it or whole words only; kInvalidArgument when the document is wrong.
absl::StatusOr<GgufWordList> ReadWordList(const nlohmann::json& tokenizer, int64_t vocab_size);

/// "tokenizer.json: PROBLEM": kFailedPrecondition with reason FORMAT_CANNOT_EXPRESS.
absl::Status CannotBeGguf(absl::string_view problem);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_WORD_LIST_H_
