// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/utf8.h"

#include <algorithm>
#include <cstdint>

namespace pivot::tokenizer {
namespace {

/// A byte after the first holds six bits.
constexpr char32_t kTailBits = 6;
constexpr char32_t kTailMask = 0x3F;

/// What stands at the front of some bytes: a character, or a beginning of one that must be replaced.
struct Front {
  bool valid;
  size_t num_bytes;
};

/// The first byte tells the length and, where the second has a narrower range than 80..BF, that range: it excludes
/// overlong forms, surrogates and what lies beyond U+10FFFF.
struct LeadByte {
  size_t num_bytes;  // 0: no character begins so
  uint8_t second_min;
  uint8_t second_max;
};

LeadByte Classify(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

Front Inspect(absl::string_view bytes) {
  const LeadByte lead = Classify(static_cast<uint8_t>(bytes[0]));
  if (lead.num_bytes == 0) return {false, 1};
  for (size_t i = 1; i < lead.num_bytes; ++i) {
    if (i == bytes.size()) return {false, i};
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t least = i == 1 ? lead.second_min : 0x80;
    const uint8_t most = i == 1 ? lead.second_max : 0xBF;
    if (byte < least || byte > most) return {false, i};
  }
  return {true, lead.num_bytes};
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(absl::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    if (static_cast<uint8_t>(text[offset]) < 0x80) {
      ++offset;
      continue;
    }
    const Front front = Inspect(text.substr(offset));
    if (!front.valid) return offset;
    offset += front.num_bytes;
  }
  return std::nullopt;
}

Character CharacterAt(absl::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[offset + i])); };
  const auto bits = [&](size_t i, char32_t mask) { return byte(i) & mask; };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {bits(0, 0x1F) << kTailBits | bits(1, kTailMask), 2};
  const char32_t second_and_third = bits(1, kTailMask) << kTailBits | bits(2, kTailMask);
  if (lead < 0xF0) return {bits(0, 0x0F) << 2 * kTailBits | second_and_third, 3};
  return {bits(0, 0x07) << 3 * kTailBits | second_and_third << kTailBits | bits(3, kTailMask), 4};
}

size_t CountCharacters(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (static_cast<uint8_t>(byte) & 0xC0U) != 0x80; }));
}

Character LastCharacter(absl::string_view text) {
  const auto is_tail = [&](size_t offset) { return (static_cast<uint8_t>(text[offset]) & 0xC0U) == 0x80; };
  size_t offset = text.size() - 1;
  while (offset > 0 && is_tail(offset)) --offset;
  return CharacterAt(text, offset);
}

void AppendUtf8(char32_t code_point, std::string* text) {
  const auto append = [text](char32_t byte) { text->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) return append(code_point);
  const char32_t num_tails = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  const char32_t lead = num_tails == 1 ? 0xC0 : num_tails == 2 ? 0xE0 : 0xF0;
  append(lead | code_point >> num_tails * kTailBits);
  for (char32_t i = num_tails; i-- > 0;) append(0x80U | (code_point >> i * kTailBits & kTailMask));
}

std::string ReplaceInvalidUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Front front = Inspect(bytes);
    if (front.valid) {
      text.append(bytes.data(), front.num_bytes);
    } else {
      AppendUtf8(0xFFFD, &text);
    }
    bytes.remove_prefix(front.num_bytes);
  }
  return text;
}

}  // namespace pivot::tokenizer
