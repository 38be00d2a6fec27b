// SPDX-License-Identifier: Apache-2.0
#include "kernels/code_grid.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

/// What the bits stand for, by the formula of the specification.
double Decode(int code, int exponent_bits, int mantissa_bits, int bias) {
  const int sign = code >> (exponent_bits + mantissa_bits) & 1;
  const int exponent = code >> mantissa_bits & ((1 << exponent_bits) - 1);
  const int mantissa = code & ((1 << mantissa_bits) - 1);
  const double fraction = static_cast<double>(mantissa) / (1 << mantissa_bits);
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return sign == 1 ? -magnitude : magnitude;
}

/// The non-negative numbers of a grid in ascending order; the index is the code.
std::vector<float> Numbers(int count, int exponent_bits, int mantissa_bits, int bias) {
  std::vector<float> numbers;
  for (int code = 0; code < count; ++code) {
    numbers.push_back(static_cast<float>(Decode(code, exponent_bits, mantissa_bits, bias)));
  }
  return numbers;
}

template <typename Grid>
void ExpectRoundsToNearest(const std::vector<float>& numbers, int sign_bit) {
  for (size_t code = 0; code < numbers.size(); ++code) {
    const float number = numbers[code];
    EXPECT_EQ(Grid::Round(number), number);
    EXPECT_EQ(Grid::Round(-number), -number);
    EXPECT_EQ(Grid::Encode(number), code);
    if (code > 0) {
      EXPECT_EQ(Grid::Encode(-number), code | static_cast<size_t>(sign_bit));
    }
    if (code + 1 == numbers.size()) break;
    const float middle = (number + numbers[code + 1]) / 2;
    // The even mantissa is the even code.
    EXPECT_EQ(Grid::Round(middle), code % 2 == 0 ? number : numbers[code + 1]) << middle;
    EXPECT_EQ(Grid::Round(std::nextafter(middle, 0.0F)), number) << middle;
    EXPECT_EQ(Grid::Round(std::nextafter(middle, 1e9F)), numbers[code + 1]) << middle;
    EXPECT_EQ(Grid::Round(-std::nextafter(middle, 1e9F)), -numbers[code + 1]) << middle;
  }
  EXPECT_EQ(Grid::Round(numbers.back() * 1.01F), numbers.back());
  EXPECT_EQ(Grid::Round(-1e30F), -numbers.back());
}

TEST(CodeGridTest, Float4HasTheNumbersOfE2M1) {
  EXPECT_THAT(Numbers(8, 2, 1, 1), ::testing::ElementsAre(0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F));
  ExpectRoundsToNearest<Float4Grid>(Numbers(8, 2, 1, 1), 8);
}

TEST(CodeGridTest, Float8HasTheNumbersOfE4M3) {
  // The code 0x7F is not a number.
  const std::vector<float> numbers = Numbers(127, 4, 3, 7);
  EXPECT_EQ(numbers[1], 1.0F / 512);
  EXPECT_EQ(numbers.back(), 448.0F);
  ExpectRoundsToNearest<Float8Grid>(numbers, 128);
}

}  // namespace
}  // namespace pivot
