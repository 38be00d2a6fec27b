// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/byte_level.h"

#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

constexpr char32_t kFirstSubstitute = 0x100;
constexpr int16_t kNotInAlphabet = -1;

bool IsVisibleLatin1(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

std::array<char32_t, 256> MakeAlphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t substitute = kFirstSubstitute;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet[static_cast<size_t>(byte)] = IsVisibleLatin1(byte) ? static_cast<char32_t>(byte) : substitute++;
  }
  return alphabet;
}

/// Long enough for the alphabet: its last character is U+0143.
using ByteByCharacter = std::array<int16_t, 0x144>;

ByteByCharacter Invert(const std::array<char32_t, 256>& alphabet) {
  ByteByCharacter inverse{};
  inverse.fill(kNotInAlphabet);
  for (size_t byte = 0; byte < alphabet.size(); ++byte) inverse[alphabet[byte]] = static_cast<int16_t>(byte);
  return inverse;
}

}  // namespace

const std::array<char32_t, 256>& ByteAlphabet() {
  static const std::array<char32_t, 256> alphabet = MakeAlphabet();
  return alphabet;
}

std::string TokenOfBytes(absl::string_view bytes) {
  const auto& alphabet = ByteAlphabet();
  std::string token;
  token.reserve(2 * bytes.size());
  for (const char byte : bytes) AppendUtf8(alphabet[static_cast<uint8_t>(byte)], &token);
  return token;
}

std::optional<std::string> BytesOfToken(absl::string_view token) {
  static const ByteByCharacter inverse = Invert(ByteAlphabet());
  std::string bytes;
  bytes.reserve(token.size());
  for (size_t offset = 0; offset < token.size();) {
    const Character character = CharacterAt(token, offset);
    if (character.code_point >= inverse.size() || inverse[character.code_point] == kNotInAlphabet) return std::nullopt;
    bytes.push_back(static_cast<char>(inverse[character.code_point]));
    offset += character.num_bytes;
  }
  return bytes;
}

}  // namespace pivot::tokenizer
