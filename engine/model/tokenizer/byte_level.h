// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_BYTE_LEVEL_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_BYTE_LEVEL_H_

// The alphabet of byte-level vocabularies: each byte has one visible character that stands for it in a token's text.
//
// The 188 visible characters of Latin-1 stand for themselves, the other bytes get U+0100, U+0101... in ascending order:
// a space is "Ġ" (U+0120), a line feed "Ċ" (U+010A).

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// The code point that stands for each byte.
const std::array<char32_t, 256>& ByteAlphabet();

/// The text of the token that stands for these bytes.
std::string TokenOfBytes(absl::string_view bytes);

/// The bytes that a token stands for; nullopt if one of its characters is not in the alphabet. `token` is valid UTF-8.
std::optional<std::string> BytesOfToken(absl::string_view token);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_BYTE_LEVEL_H_
