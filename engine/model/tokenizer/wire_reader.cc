// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/wire_reader.h"

#include <cstring>

namespace pivot::tokenizer {
namespace {

constexpr uint32_t kMaxVarintBits = 64;

}  // namespace

std::optional<int32_t> WireField::AsInteger() const {
  if (type != Type::kVarint) return std::nullopt;
  return static_cast<int32_t>(static_cast<uint32_t>(value));
}

std::optional<bool> WireField::AsBoolean() const {
  return type == Type::kVarint ? std::optional(value != 0) : std::nullopt;
}

std::optional<float> WireField::AsFloat() const {
  if (type != Type::kFixed32) return std::nullopt;
  const auto bits = static_cast<uint32_t>(value);
  float result = 0;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

std::optional<uint64_t> WireReader::TakeVarint() {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < kMaxVarintBits && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<uint64_t> WireReader::TakeFixed(size_t num_bytes) {
  if (rest_.size() < num_bytes) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = num_bytes; i-- > 0;) value = value << 8U | static_cast<uint8_t>(rest_[i]);
  rest_.remove_prefix(num_bytes);
  return value;
}

std::optional<WireField> WireReader::TakeField() {
  const std::optional<uint64_t> tag = TakeVarint();
  if (!tag.has_value() || *tag >> 3U == 0 || *tag >> 32U != 0) return std::nullopt;
  WireField field{static_cast<uint32_t>(*tag >> 3U), WireField::Type::kVarint, 0, {}};
  std::optional<uint64_t> value;
  switch (*tag & 7U) {
    case 0:
      value = TakeVarint();
      break;
    case 1:
      field.type = WireField::Type::kFixed64;
      value = TakeFixed(8);
      break;
    case 2:
      field.type = WireField::Type::kBytes;
      value = TakeVarint();
      if (value.has_value() && *value > rest_.size()) value = std::nullopt;
      break;
    case 5:
      field.type = WireField::Type::kFixed32;
      value = TakeFixed(4);
      break;
    default:  // groups, which nobody writes any more
      break;
  }
  if (!value.has_value()) return std::nullopt;
  field.value = *value;
  if (field.type == WireField::Type::kBytes) {
    field.bytes = rest_.substr(0, static_cast<size_t>(*value));
    rest_.remove_prefix(field.bytes.size());
  }
  return field;
}

std::optional<WireField> WireReader::Next() {
  if (rest_.empty() || failed_) return std::nullopt;
  std::optional<WireField> field = TakeField();
  failed_ = !field.has_value();
  return field;
}

}  // namespace pivot::tokenizer
