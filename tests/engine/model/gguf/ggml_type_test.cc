// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/ggml_type.h"

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/gguf/half.h"

namespace pivot {
namespace {

using ::testing::ElementsAreArray;

// 0.5 and -3 as binary16: sign 1, exponent 5, fraction 10 bits; 0.5 = 2^-1, -3 = -1.5 * 2^1.
constexpr uint16_t kHalfOfOne = (15 - 1) << 10;
constexpr uint16_t kMinusThree = 0x8000 | (15 + 1) << 10 | 0x200;

/// Codes from -8 to 7 and back: column j has j - 8, column 16 + j has 7 - j.
std::vector<int8_t> UpAndDown() {
  std::vector<int8_t> codes;
  for (int j = 0; j < 16; ++j) codes.push_back(static_cast<int8_t>(j - 8));
  for (int j = 0; j < 16; ++j) codes.push_back(static_cast<int8_t>(7 - j));
  return codes;
}

/// Byte j of 16: column j below, column 16 + j above; u = code + 8.
std::string UpAndDownBytes() {
  std::string bytes;
  for (int j = 0; j < 16; ++j) bytes.push_back(static_cast<char>(j | ((15 - j) << 4)));
  return bytes;
}

std::string Word(uint16_t word) { return {static_cast<char>(word & 0xFF), static_cast<char>(word >> 8)}; }

std::vector<float> Weights(GgmlType type, const std::string& bytes, size_t columns) {
  std::vector<float> weights(columns);
  DequantizeGgmlRow(type, bytes, absl::MakeSpan(weights));
  return weights;
}

TEST(GgmlTypeTest, PacksABlockOfQ4_0) {
  std::vector<int8_t> codes = UpAndDown();
  std::array<float, 1> scale = {0.5F};
  const auto packed = PackGgmlRow(GgmlType::kQ4_0, {absl::MakeSpan(codes), absl::MakeSpan(scale), {}});
  ASSERT_TRUE(packed.has_value());
  EXPECT_EQ(*packed, Word(kHalfOfOne) + UpAndDownBytes());
  std::vector<float> expected;
  for (const int8_t code : codes) expected.push_back(0.5F * static_cast<float>(code));
  EXPECT_THAT(Weights(GgmlType::kQ4_0, *packed, 32), ElementsAreArray(expected));
}

TEST(GgmlTypeTest, PacksABlockOfQ4_1) {
  std::vector<int8_t> codes = UpAndDown();
  std::array<float, 1> scale = {0.5F};
  std::array<float, 1> offset = {-3.0F};
  const auto packed =
      PackGgmlRow(GgmlType::kQ4_1, {absl::MakeSpan(codes), absl::MakeSpan(scale), absl::MakeSpan(offset)});
  ASSERT_TRUE(packed.has_value());
  EXPECT_EQ(*packed, Word(kHalfOfOne) + Word(kMinusThree) + UpAndDownBytes());
  std::vector<float> expected;
  for (const int8_t code : codes) expected.push_back(0.5F * static_cast<float>(code + 8) - 3.0F);
  EXPECT_THAT(Weights(GgmlType::kQ4_1, *packed, 32), ElementsAreArray(expected));
}

TEST(GgmlTypeTest, PacksABlockOfQ8_0) {
  std::vector<int8_t> codes(32, 0);
  codes[0] = -128;
  codes[31] = 127;
  std::array<float, 1> scale = {-3.0F};
  const auto packed = PackGgmlRow(GgmlType::kQ8_0, {absl::MakeSpan(codes), absl::MakeSpan(scale), {}});
  ASSERT_TRUE(packed.has_value());
  EXPECT_EQ(*packed, Word(kMinusThree) + '\x80' + std::string(30, '\0') + '\x7F');
  const std::vector<float> weights = Weights(GgmlType::kQ8_0, *packed, 32);
  EXPECT_EQ(weights[0], 384.0F);
  EXPECT_EQ(weights[31], -381.0F);
}

TEST(GgmlTypeTest, ReadsABlockOfQ6K) {
  // Column 33 is in the second quarter of the first half: low bits in byte 33, low nibble; high bits 2 and 3 of byte 1.
  // Column 224 is in the last quarter of the second half: byte 64 + 32, high nibble; high bits 6 and 7 of byte 32.
  std::string bytes(210, '\0');
  bytes[33] = 0x05;
  bytes[128 + 1] = static_cast<char>(0b0000'1000);
  bytes[96] = static_cast<char>(0xF0);
  bytes[128 + 32] = static_cast<char>(0b1100'0000);
  for (size_t s = 0; s < 16; ++s) bytes[192 + s] = static_cast<char>(static_cast<int>(s) - 8);
  bytes.replace(208, 2, Word(kHalfOfOne));
  // Scale s is s - 8, for 16 columns.
  const std::vector<float> weights = Weights(GgmlType::kQ6_K, bytes, 256);
  EXPECT_EQ(weights[33], 0.5F * (2 - 8) * (5 + 16 * 2 - 32));
  EXPECT_EQ(weights[224], 0.5F * (14 - 8) * (15 + 16 * 3 - 32));
  EXPECT_EQ(weights[0], 0.5F * -8 * -32);
}

TEST(GgmlTypeTest, RefusesAScaleThatBinary16HasNot) {
  std::vector<int8_t> codes(32, 1);
  for (const float scale : {1.0F + std::ldexp(1.0F, -11), 65536.0F, std::ldexp(1.0F, -25),
                            std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::array<float, 1> scales = {scale};
    EXPECT_FALSE(PackGgmlRow(GgmlType::kQ8_0, {absl::MakeSpan(codes), absl::MakeSpan(scales), {}}).has_value())
        << scale;
  }
}

TEST(HalfTest, EveryNumberOfBinary16ComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = FloatFromHalf(static_cast<uint16_t>(half));
    if (!std::isfinite(value)) {
      EXPECT_FALSE(ExactHalf(value).has_value());
      continue;
    }
    EXPECT_EQ(ExactHalf(value), static_cast<uint16_t>(half));
  }
}

TEST(GgmlTypeTest, NamesTypesThatAreNotRead) {
  EXPECT_EQ(GgmlTypeNameOf(20), "IQ4_NL");
  EXPECT_EQ(GgmlTypeNameOf(99), "type 99");
  EXPECT_FALSE(FindGgmlType(20).has_value());
  EXPECT_EQ(GgmlTypeNames(), "F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, BF16");
  EXPECT_EQ(FindGgmlType("Q6_K"), GgmlType::kQ6_K);
  EXPECT_EQ(GgmlRowBytes(GgmlType::kQ4_1, 64), 40);
}

}  // namespace
}  // namespace pivot
