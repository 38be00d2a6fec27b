// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/paired_difference.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace pivot {
namespace {

TEST(PairedDifferenceTest, IntervalsAreStudents) {
  // Differences -1, -2, -3: mean -2, standard error 1/sqrt(3), t(2) = 4.303.
  const std::vector<double> before = {5, 6, 7};
  const std::vector<double> after = {4, 4, 4};
  const PairedDifference difference = DifferenceOf(before, after);
  EXPECT_DOUBLE_EQ(difference.mean, -2);
  EXPECT_NEAR(difference.half_width, 4.303 / std::sqrt(3), 0.08) << "the expansion is good to 3 % here";
  EXPECT_FALSE(difference.is_certain_fall()) << "-2 + 2.48";
}

TEST(PairedDifferenceTest, QuantilesOfManyWindows) {
  std::vector<double> before(150, 1.0);
  std::vector<double> after(150, 1.0);
  for (size_t i = 0; i < after.size(); i += 2) after[i] = 0.9;
  const PairedDifference difference = DifferenceOf(before, after);
  EXPECT_NEAR(difference.mean, -0.05, 1e-12);
  EXPECT_NEAR(difference.half_width, 1.976 * 0.05017 / std::sqrt(150), 1e-5);
  EXPECT_TRUE(difference.is_certain_fall());
}

TEST(PairedDifferenceTest, EqualModelsAndSingleWindowsAreNeverBetter) {
  EXPECT_FALSE(DifferenceOf(std::vector<double>{1, 2}, std::vector<double>{1, 2}).is_certain_fall());
  EXPECT_FALSE(DifferenceOf(std::vector<double>{2}, std::vector<double>{1}).is_certain_fall());
}

}  // namespace
}  // namespace pivot
