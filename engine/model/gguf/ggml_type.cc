// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/ggml_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/gguf/ggml_super_blocks.h"
#include "engine/model/gguf/half.h"

namespace pivot {
namespace {

constexpr size_t kSharers = 32;  // columns of a block of Q4_0, Q4_1, Q8_0
constexpr size_t kHalfBytes = 2;
constexpr int kQ4Zero = 8;
constexpr int kQ5Zero = 16;

enum class Offsets { kNone, kOfEachScale };

struct TypeRow {
  uint32_t number;
  absl::string_view name;
  GgmlBlock block;  // no bytes: not read
  int bits = 0;     // of a code; none: floating point
  int64_t scale_columns = kSharers;
  Offsets offsets = Offsets::kNone;
};

constexpr std::array<TypeRow, 32> kTypes = {{
    {0, "F32", {1, 4}},
    {1, "F16", {1, 2}},
    {2, "Q4_0", {32, 18}, 4},
    {3, "Q4_1", {32, 20}, 4, kSharers, Offsets::kOfEachScale},
    {6, "Q5_0", {32, 22}, 5},
    {7, "Q5_1", {32, 24}, 5, kSharers, Offsets::kOfEachScale},
    {8, "Q8_0", {32, 34}, 8},
    {9, "Q8_1", {}},
    {10, "Q2_K", {kSuperBlockColumns, 84}, 2, 16, Offsets::kOfEachScale},
    {11, "Q3_K", {kSuperBlockColumns, 110}, 3, 16},
    {12, "Q4_K", {kSuperBlockColumns, 144}, 4, kSharers, Offsets::kOfEachScale},
    {13, "Q5_K", {kSuperBlockColumns, 176}, 5, kSharers, Offsets::kOfEachScale},
    {14, "Q6_K", {kSuperBlockColumns, 210}, 6, 16},
    {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},
    {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},
    {19, "IQ1_S", {}},
    {20, "IQ4_NL", {}},
    {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},
    {23, "IQ4_XS", {}},
    {24, "I8", {}},
    {25, "I16", {}},
    {26, "I32", {}},
    {27, "I64", {}},
    {28, "F64", {}},
    {29, "IQ1_M", {}},
    {30, "BF16", {1, 2}},
    {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},
    {39, "MXFP4", {}},
}};

const TypeRow* RowOf(uint32_t number) {
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [number](const TypeRow& row) { return row.number == number; });
  return found == kTypes.end() ? nullptr : found;
}

uint16_t Word(const char* bytes) {
  uint16_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

uint8_t Byte(const char* bytes, size_t index) { return static_cast<uint8_t>(bytes[index]); }

/// The 16 bytes of 32 codes.
void UnpackQ4(const char* bytes, int8_t* codes) {
  for (size_t j = 0; j < kSharers / 2; ++j) {
    codes[j] = static_cast<int8_t>((Byte(bytes, j) & 0xF) - kQ4Zero);
    codes[j + kSharers / 2] = static_cast<int8_t>((Byte(bytes, j) >> 4) - kQ4Zero);
  }
}

/// The 4 bytes of fifth bits and the 16 of the others.
void UnpackQ5(const char* bytes, int8_t* codes) {
  uint32_t fifth = 0;
  std::memcpy(&fifth, bytes, sizeof(fifth));
  for (size_t j = 0; j < kSharers / 2; ++j) {
    const int byte = Byte(bytes + sizeof(fifth), j);
    const auto low = static_cast<int>(fifth >> j & 1) << 4;
    const auto high = static_cast<int>(fifth >> (j + kSharers / 2) & 1) << 4;
    codes[j] = static_cast<int8_t>(((byte & 0xF) | low) - kQ5Zero);
    codes[j + kSharers / 2] = static_cast<int8_t>(((byte >> 4) | high) - kQ5Zero);
  }
}

/// A block of 32 columns.
void UnpackBlock(GgmlType type, const char* bytes, int8_t* codes, float* scale, float* offset) {
  *scale = FloatFromHalf(Word(bytes));
  bytes += kHalfBytes;
  if (HasOffsets(type)) {
    *offset = FloatFromHalf(Word(bytes));
    bytes += kHalfBytes;
  }
  const int bits = CodeBits(type);
  if (bits == 8) {
    std::memcpy(codes, bytes, kSharers);
  } else if (bits == 5) {
    UnpackQ5(bytes, codes);
  } else {
    UnpackQ4(bytes, codes);
  }
}

void PackQ4(const int8_t* codes, std::string& out) {
  for (size_t j = 0; j < kSharers / 2; ++j) {
    const int low = codes[j] + kQ4Zero;
    const int high = codes[j + kSharers / 2] + kQ4Zero;
    out.push_back(static_cast<char>(low | (high << 4)));
  }
}

bool AppendHalf(float value, std::string& out) {
  const auto half = ExactHalf(value);
  if (!half.has_value()) return false;
  out.push_back(static_cast<char>(*half & 0xFF));
  out.push_back(static_cast<char>(*half >> 8));
  return true;
}

void ReadFloats(GgmlType type, absl::string_view bytes, absl::Span<float> weights) {
  for (size_t i = 0; i < weights.size(); ++i) {
    if (type == GgmlType::kFloat32) {
      std::memcpy(&weights[i], bytes.data() + 4 * i, 4);
    } else {
      const uint16_t word = Word(bytes.data() + kHalfBytes * i);
      weights[i] = type == GgmlType::kFloat16 ? FloatFromHalf(word) : std::bit_cast<float>(uint32_t{word} << 16);
    }
  }
}

}  // namespace

absl::string_view GgmlTypeName(GgmlType type) { return RowOf(static_cast<uint32_t>(type))->name; }

std::optional<GgmlType> FindGgmlType(uint32_t number) {
  const TypeRow* row = RowOf(number);
  if (row == nullptr || row->block.bytes == 0) return std::nullopt;
  return static_cast<GgmlType>(number);
}

std::optional<GgmlType> FindGgmlType(absl::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return FindGgmlType(row.number);
  }
  return std::nullopt;
}

std::string GgmlTypeNameOf(uint32_t number) {
  const TypeRow* row = RowOf(number);
  return row == nullptr ? absl::StrCat("type ", number) : std::string(row->name);
}

GgmlBlock BlockOf(GgmlType type) { return RowOf(static_cast<uint32_t>(type))->block; }

int64_t GgmlRowBytes(GgmlType type, int64_t columns) {
  const GgmlBlock block = BlockOf(type);
  return columns / block.columns * block.bytes;
}

bool IsBlockType(GgmlType type) { return BlockOf(type).columns > 1; }

std::string GgmlTypeNames() {
  std::vector<absl::string_view> names;
  for (const TypeRow& row : kTypes) {
    if (row.block.bytes > 0) names.push_back(row.name);
  }
  return absl::StrJoin(names, ", ");
}

int64_t ScaleColumns(GgmlType type) { return RowOf(static_cast<uint32_t>(type))->scale_columns; }

int CodeBits(GgmlType type) { return RowOf(static_cast<uint32_t>(type))->bits; }

bool HasOffsets(GgmlType type) { return RowOf(static_cast<uint32_t>(type))->offsets == Offsets::kOfEachScale; }

void UnpackGgmlRow(GgmlType type, absl::string_view bytes, const GgmlRow& row) {
  const GgmlBlock block = BlockOf(type);
  const auto columns = static_cast<size_t>(block.columns);
  const size_t groups = columns / static_cast<size_t>(ScaleColumns(type));
  for (size_t i = 0; i < row.codes.size() / columns; ++i) {
    const char* at = bytes.data() + i * static_cast<size_t>(block.bytes);
    int8_t* codes = row.codes.data() + i * columns;
    float* scales = row.scales.data() + i * groups;
    float* offsets = HasOffsets(type) ? row.offsets.data() + i * groups : nullptr;
    if (block.columns == kSuperBlockColumns) {
      UnpackSuperBlock(type, at, {.codes = codes, .scales = scales, .offsets = offsets});
    } else {
      UnpackBlock(type, at, codes, scales, offsets);
    }
  }
}

std::optional<std::string> PackGgmlRow(GgmlType type, const GgmlRow& row) {
  assert(type == GgmlType::kQ4_0 || type == GgmlType::kQ4_1 || type == GgmlType::kQ8_0);
  std::string bytes;
  bytes.reserve(static_cast<size_t>(GgmlRowBytes(type, static_cast<int64_t>(row.codes.size()))));
  for (size_t i = 0; i < row.scales.size(); ++i) {
    const int8_t* codes = row.codes.data() + kSharers * i;
    if (!AppendHalf(row.scales[i], bytes)) return std::nullopt;
    if (type == GgmlType::kQ4_1 && !AppendHalf(row.offsets[i], bytes)) return std::nullopt;
    if (type == GgmlType::kQ8_0) {
      for (size_t j = 0; j < kSharers; ++j) bytes.push_back(static_cast<char>(codes[j]));
    } else {
      PackQ4(codes, bytes);
    }
  }
  return bytes;
}

void DequantizeGgmlRow(GgmlType type, absl::string_view bytes, absl::Span<float> weights) {
  if (!IsBlockType(type)) return ReadFloats(type, bytes, weights);
  const auto sharers = static_cast<size_t>(ScaleColumns(type));
  std::vector<int8_t> codes(weights.size());
  std::vector<float> scales(weights.size() / sharers);
  std::vector<float> offsets(scales.size(), 0.0F);
  UnpackGgmlRow(type, bytes, {absl::MakeSpan(codes), absl::MakeSpan(scales), absl::MakeSpan(offsets)});
  const int zero = HasOffsets(type) ? -(1 << (CodeBits(type) - 1)) : 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const float product = scales[i / sharers] * static_cast<float>(codes[i] - zero);
    weights[i] = HasOffsets(type) ? product + offsets[i / sharers] : product;
  }
}

}  // namespace pivot
