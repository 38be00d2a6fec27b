// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/charsmap.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

constexpr size_t kUnitBytes = 4;

// A unit of Darts-clone: bits 0-7 and 31 its label, 8 whether a text ends here, 9 a factor of 256 for the offset in
// bits 10-30; a leaf holds a value in bits 0-30.
uint32_t Label(uint32_t unit) { return unit & 0x800000FFU; }
bool HasLeaf(uint32_t unit) { return (unit >> 8U & 1U) != 0; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFFU; }
uint32_t Offset(uint32_t unit) { return (unit >> 10U) << ((unit & 0x200U) >> 6U); }

uint32_t ReadUnit(absl::string_view bytes, size_t offset) {
  uint32_t unit = 0;
  for (size_t i = 0; i < kUnitBytes; ++i) {
    unit |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[offset + i])) << 8U * static_cast<uint32_t>(i);
  }
  return unit;
}

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Parse(absl::string_view bytes) {
  const size_t array_bytes = bytes.size() < kUnitBytes ? 0 : ReadUnit(bytes, 0);
  if (array_bytes == 0 || array_bytes % kUnitBytes != 0 || array_bytes > bytes.size() - kUnitBytes)
    return Malformed("the precompiled_charsmap has no array of the size that it names");
  Charsmap map;
  map.units_.reserve(array_bytes / kUnitBytes);
  for (size_t offset = 0; offset < array_bytes; offset += kUnitBytes)
    map.units_.push_back(ReadUnit(bytes, kUnitBytes + offset));
  map.contents_ = std::string(bytes.substr(kUnitBytes + array_bytes));
  if (FindInvalidUtf8(map.contents_).has_value()) return Malformed("the precompiled_charsmap is not valid UTF-8");
  return map;
}

std::optional<absl::string_view> Charsmap::ContentAt(size_t offset) const {
  const absl::string_view contents = contents_;
  if (offset >= contents.size() || (static_cast<uint8_t>(contents[offset]) & 0xC0U) == 0x80) return std::nullopt;
  const absl::string_view rest = contents.substr(offset);
  return rest.substr(0, rest.find('\0'));
}

std::optional<Charsmap::Rule> Charsmap::Find(absl::string_view text, Length length) const {
  std::optional<Rule> found;
  size_t place = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    place ^= byte;
    if (byte == 0 || place >= units_.size() || Label(units_[place]) != byte) break;
    const uint32_t unit = units_[place];
    place ^= Offset(unit);
    if (!HasLeaf(unit) || place >= units_.size()) continue;
    const std::optional<absl::string_view> content = ContentAt(Value(units_[place]));
    if (!content.has_value()) continue;
    found = Rule{i + 1, *content};
    if (length == Length::kShortest) break;
  }
  return found;
}

}  // namespace pivot::tokenizer
