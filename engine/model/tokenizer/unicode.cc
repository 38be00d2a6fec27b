// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/unicode.h"

#include <algorithm>
#include <cstdint>

#include "engine/model/tokenizer/code_point_range.h"
#include "engine/model/tokenizer/unicode_tables.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

/// No character of fewer than three bytes has a stand-in.
constexpr uint8_t kFirstLeadByteWithStandIns = 0xE0;

const StandInRange* FindStandIn(absl::string_view text, size_t offset) {
  if (static_cast<uint8_t>(text[offset]) < kFirstLeadByteWithStandIns) return nullptr;
  return FindRange(kStandIns, CharacterAt(text, offset).code_point);
}

/// Offset of the first character at or after `offset` that has a stand-in; the text's size if there is none.
size_t FindFirstWithStandIn(absl::string_view text, size_t offset) {
  for (; offset < text.size(); ++offset) {
    const auto byte = static_cast<uint8_t>(text[offset]);
    if (byte >= kFirstLeadByteWithStandIns && FindStandIn(text, offset) != nullptr) return offset;
  }
  return offset;
}

}  // namespace

bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t TrailingSpaceBytes(absl::string_view text) {
  size_t rest = text.size();
  while (rest > 0) {
    const Character last = LastCharacter(text.substr(0, rest));
    if (!IsWhiteSpace(last.code_point)) break;
    rest -= last.num_bytes;
  }
  return text.size() - rest;
}

size_t LeadingSpaceBytes(absl::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    const Character character = CharacterAt(text, offset);
    if (!IsWhiteSpace(character.code_point)) break;
    offset += character.num_bytes;
  }
  return offset;
}

bool IsNumeric(char32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  return FindRange(kNumeric, code_point) != nullptr;
}

bool IsWordCharacter(char32_t code_point) { return FindRange(kWordCharacters, code_point) != nullptr; }

bool IsInertForNfc(char32_t code_point) { return FindRange(kInertForNfc, code_point) != nullptr; }

bool HasOtherShadow(absl::string_view text) { return FindFirstWithStandIn(text, 0) != text.size(); }

std::string ShadowOf(absl::string_view text) {
  std::string shadow;
  shadow.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const size_t next = FindFirstWithStandIn(text, offset);
    shadow.append(text.data() + offset, next - offset);
    if (next == text.size()) break;
    AppendUtf8(FindStandIn(text, next)->stand_in, &shadow);
    offset = next + CharacterAt(text, next).num_bytes;
  }
  return shadow;
}

bool ShadowsAgreeOn(char32_t first, char32_t last) {
  const auto contains = [&](char32_t code_point) { return code_point >= first && code_point <= last; };
  return std::all_of(kStandIns.begin(), kStandIns.end(), [&](const StandInRange& range) {
    const bool holds_none = range.last < first || range.first > last;
    const bool holds_all = contains(range.first) && contains(range.last);
    return contains(range.stand_in) ? holds_all : holds_none;
  });
}

}  // namespace pivot::tokenizer
