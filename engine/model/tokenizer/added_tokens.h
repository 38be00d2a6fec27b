// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_ADDED_TOKENS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_ADDED_TOKENS_H_

// Tokens that are found in the text before anything else happens to it: "<|endoftext|>".

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/normalizer.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

struct AddedToken {
  int32_t id;
  std::string content;
  bool single_word;     // must not touch word characters
  bool lstrip;          // takes the white space before it
  bool rstrip;          // takes the white space after it
  bool normalized;      // is looked for in normalized text, in normalized form
  bool special;         // left out by Decode with kSkip
  std::string pattern;  // what it is looked for as, and decoded to: `content`, or that normalized
};

/// Finds some tokens in a text: from left to right, of those that begin at one place the longest. Immutable.
class AddedTokenFinder {
 public:
  struct Entry {
    std::string pattern;
    AddedToken token;
  };

  /// Patterns are not empty. kInvalidArgument when two are equal.
  static absl::StatusOr<AddedTokenFinder> Create(std::vector<Entry> entries);

  /// Passes on the tokens' ids and the text between them, which is not empty, in order. The first error of `on_text`
  /// ends the call. `text` is valid UTF-8.
  absl::Status Split(absl::string_view text, absl::FunctionRef<absl::Status(absl::string_view)> on_text,
                     absl::FunctionRef<void(int32_t)> on_token) const;

 private:
  AddedTokenFinder() = default;

  /// The longest entry that `text` begins with, or null.
  const Entry* FindAtFront(absl::string_view text) const;

  std::vector<Entry> entries_;  // ascending by pattern
  /// Which entries begin with a byte: [first_[byte], first_[byte + 1]).
  std::array<uint32_t, 257> first_{};
};

/// The file's added tokens. Immutable.
class AddedTokens {
 public:
  /// `list` is the member "added_tokens", or null. A token that is in the vocabulary has its id; the others get the
  /// next ids in order. kInvalidArgument when the file gives another id, or lists a content twice.
  static absl::StatusOr<AddedTokens> Create(const nlohmann::json* list, const Vocabulary& vocabulary,
                                            const Normalizer& normalizer);

  /// Those to look for before the text is normalized, and after.
  const AddedTokenFinder& verbatim() const { return verbatim_; }
  const AddedTokenFinder& normalized() const { return normalized_; }

  /// Null if there is none.
  const AddedToken* FindById(int32_t id) const;
  const AddedToken* FindByContent(absl::string_view content) const;

  /// How many are not in the vocabulary.
  int32_t num_new() const { return num_new_; }
  /// One more than the largest id; 0 without tokens.
  int32_t id_limit() const { return id_limit_; }

 private:
  AddedTokens(AddedTokenFinder verbatim, AddedTokenFinder normalized)
      : verbatim_(std::move(verbatim)), normalized_(std::move(normalized)) {}

  std::vector<AddedToken> tokens_;
  absl::flat_hash_map<int32_t, size_t> index_by_id_;
  absl::flat_hash_map<std::string, size_t> index_by_content_;
  AddedTokenFinder verbatim_;
  AddedTokenFinder normalized_;
  int32_t num_new_ = 0;
  int32_t id_limit_ = 0;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_ADDED_TOKENS_H_
