// SPDX-License-Identifier: Apache-2.0
#include "engine/allocate/rank_correlation.h"

#include <vector>

#include "gtest/gtest.h"

namespace pivot {
namespace {

TEST(RankCorrelationTest, LooksAtOrderAlone) {
  EXPECT_DOUBLE_EQ(RankCorrelation({1, 2, 3, 4}, {10, 100, 101, 5000}), 1);
  EXPECT_DOUBLE_EQ(RankCorrelation({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  // d = 1, 1, 0, 0: 1 - 6 * 2 / (4 * 15).
  EXPECT_DOUBLE_EQ(RankCorrelation({1, 2, 3, 4}, {2, 1, 3, 4}), 0.8);
}

TEST(RankCorrelationTest, EqualValuesShareTheMeanOfTheirRanks) {
  EXPECT_NEAR(RankCorrelation({1, 1, 2}, {1, 2, 3}), 0.8660254, 1e-6);
}

TEST(RankCorrelationTest, IsNothingWithoutOrder) {
  EXPECT_EQ(RankCorrelation({1, 2}, {1, 2}), 0);
  EXPECT_EQ(RankCorrelation({1, 1, 1}, {1, 2, 3}), 0);
}

}  // namespace
}  // namespace pivot
