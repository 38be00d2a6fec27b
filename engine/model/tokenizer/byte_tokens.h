// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_BYTE_TOKENS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_BYTE_TOKENS_H_

// Tokens "<0x00>" to "<0xFF>": what a text without a better token is spelled in.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

class ByteTokens {
 public:
  explicit ByteTokens(const Vocabulary& vocabulary);

  /// Appends the bytes' ids and returns true, or appends nothing when one of them has no token.
  bool Append(absl::string_view bytes, std::vector<int32_t>* ids) const;
  bool Knows(absl::string_view bytes) const;
  /// Of a byte that is known.
  int32_t IdOf(char byte) const { return ids_[static_cast<uint8_t>(byte)]; }

 private:
  std::array<int32_t, 256> ids_;  // -1: the byte has no token
};

/// The byte that a token of this form stands for.
std::optional<uint8_t> ByteOfToken(absl::string_view token);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_BYTE_TOKENS_H_
