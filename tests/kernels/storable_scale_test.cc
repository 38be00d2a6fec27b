// SPDX-License-Identifier: Apache-2.0
#include "kernels/storable_scale.h"

#include <algorithm>
#include <limits>
#include <random>

#include "gtest/gtest.h"

namespace pivot {
namespace {

/// By the words of the header, in double precision, where every step but the rounding is exact.
double StoreInDouble(float value, int significant_bits) {
  int exponent = 0;
  const double fraction = std::frexp(std::abs(static_cast<double>(value)), &exponent);
  double stored = std::ldexp(std::nearbyint(std::ldexp(fraction, significant_bits)), exponent - significant_bits);
  if (stored < 0x1p-14) stored = std::max(std::nearbyint(stored * 0x1p24), 1.0) * 0x1p-24;
  if (stored > 65504) stored = INFINITY;
  return std::copysign(stored, static_cast<double>(value));
}

TEST(StorableScaleTest, IsTheNearestValueThatFilesHold) {
  std::mt19937 generator(1);
  std::uniform_int_distribution<uint32_t> anything;
  for (int digits = 1; digits <= 8; ++digits) {
    for (int i = 0; i < 200000; ++i) {
      // Of any exponent; every other one half-way between two values.
      uint32_t bits = anything(generator);
      if (i % 2 == 0) bits = (bits >> (23 - digits) | 1U) << (23 - digits);
      float value = 0;
      std::memcpy(&value, &bits, sizeof(value));
      if (!std::isfinite(value)) continue;
      const float stored = StorableScale(value, digits);
      ASSERT_EQ(static_cast<double>(stored), StoreInDouble(value, digits)) << value << " " << digits;
      ASSERT_EQ(std::signbit(stored), std::signbit(value)) << value << " " << digits;
    }
  }
}

TEST(StorableScaleTest, KnowsTheEndsOfItsRange) {
  EXPECT_EQ(StorableScale(0.0F, 8), 0x1p-24F);
  EXPECT_EQ(StorableScale(-0.0F, 8), -0x1p-24F);
  EXPECT_EQ(StorableScale(1e-40F, 8), 0x1p-24F);
  EXPECT_EQ(StorableScale(0x1.8p-24F, 8), 0x1p-23F);  // a tie, to the even multiple
  EXPECT_EQ(StorableScale(0x1.4p-23F, 8), 0x1p-23F);
  EXPECT_EQ(StorableScale(65280.0F, 8), 65280.0F);
  EXPECT_EQ(StorableScale(65408.0F, 8), INFINITY);  // a tie
  EXPECT_EQ(StorableScale(-FLT_MAX, 8), -INFINITY);
  EXPECT_EQ(StorableScale(-INFINITY, 8), -INFINITY);
  EXPECT_TRUE(std::isnan(StorableScale(std::numeric_limits<float>::quiet_NaN(), 8)));
}

TEST(BetterScaleTest, MovesOnlyWhereTheLossFalls) {
  EXPECT_EQ(BetterScale(0.5F, 1, 4, 8), 0.75F);
  EXPECT_EQ(BetterScale(0.5F, -4, 4, 8), -0.5F);
  EXPECT_EQ(BetterScale(0.7F, 0, 4, 2), 0.7F);  // 0.75 could be stored and is worse
  EXPECT_EQ(BetterScale(0.5F, 0, 0, 8), 0.5F);
  EXPECT_EQ(BetterScale(0.5F, 1, 0, 8), 0.5F);
  EXPECT_EQ(BetterScale(0.5F, 1e6F, 1, 8), 0.5F);
  EXPECT_EQ(BetterScale(0.5F, std::numeric_limits<float>::quiet_NaN(), 1, 8), 0.5F);
}

}  // namespace
}  // namespace pivot
