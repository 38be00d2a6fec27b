// SPDX-License-Identifier: Apache-2.0
#include "engine/page/axis.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot::page {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

// Decimal fractions and powers are some roundings from the numbers here.
MATCHER(IsClose, "") { return std::abs(std::get<0>(arg) - std::get<1>(arg)) <= 1e-12 * std::abs(std::get<1>(arg)); }

TEST(AxisTest, EndsAtRoundNumbers) {
  const Axis axis(Scale::kLinear, {23.2, 28.4});
  EXPECT_THAT(axis.Ticks(), Pointwise(IsClose(), {23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0}));
  EXPECT_EQ(axis.low(), 23);
  EXPECT_EQ(axis.high(), 29);
}

TEST(AxisTest, ReachesToZeroWhenAskedTo) {
  EXPECT_EQ(Axis(Scale::kFromZero, {23.2, 28.4}).low(), 0);
  EXPECT_EQ(Axis(Scale::kFromZero, {-3, -1}).high(), 0);
}

TEST(AxisTest, HasPowersOfTenWhereItIsLogarithmic) {
  const Axis wide(Scale::kLogarithmic, {1e-6, 0.5});
  EXPECT_THAT(wide.Ticks(), Pointwise(IsClose(), {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1}));
  const Axis narrow(Scale::kLogarithmic, {0.03, 0.4});
  EXPECT_THAT(narrow.Ticks(), Pointwise(IsClose(), {0.02, 0.05, 0.1, 0.2, 0.5}));
}

TEST(AxisTest, PlacesValues) {
  Axis linear(Scale::kLinear, {0, 10});
  linear.Place(100, 0);
  EXPECT_DOUBLE_EQ(linear.At(2.5), 75);
  EXPECT_DOUBLE_EQ(linear.At(11), 0) << "beyond the end";
  Axis logarithmic(Scale::kLogarithmic, {0.01, 1});
  logarithmic.Place(0, 100);
  EXPECT_THAT(logarithmic.At(0.1), DoubleNear(50, 1e-9));
  EXPECT_DOUBLE_EQ(logarithmic.At(0), 0) << "has no logarithm";
}

TEST(AxisTest, StandsAnyValues) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double largest = std::numeric_limits<double>::max();
  for (const Scale scale : {Scale::kLinear, Scale::kFromZero, Scale::kLogarithmic}) {
    for (const std::vector<double>& values : {std::vector<double>{},
                                              {0},
                                              {-1},
                                              {7},
                                              {7, 7},
                                              {infinity, std::nan("")},
                                              {largest, -largest, 1},
                                              {1e-300, 1e90},
                                              {-1e90, 1e90}}) {
      Axis axis(scale, values);
      axis.Place(0, 100);
      EXPECT_LT(axis.low(), axis.high());
      EXPECT_LE(axis.Ticks().size(), 40U);
      for (const double value : {0.0, 1.0, -largest, largest, infinity, std::nan("")}) {
        EXPECT_GE(axis.At(value), 0);
        EXPECT_LE(axis.At(value), 100);
      }
    }
  }
  EXPECT_THAT(Axis(Scale::kLinear, {}).Ticks(), ElementsAre(0, 0.2, 0.4, DoubleNear(0.6, 1e-12), 0.8, 1));
}

}  // namespace
}  // namespace pivot::page
