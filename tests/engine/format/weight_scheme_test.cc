// SPDX-License-Identifier: Apache-2.0
#include "engine/format/weight_scheme.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

TEST(WeightSchemeTest, ChoosesTheLargestGroupThatDividesAll) {
  EXPECT_EQ(AutomaticGroupSize({4096, 14336}), 128);
  EXPECT_EQ(AutomaticGroupSize({576, 1536}), 64);
  EXPECT_EQ(AutomaticGroupSize({128, 96}), 32);
  EXPECT_EQ(AutomaticGroupSize({128, 48}), 0);
  EXPECT_EQ(AutomaticGroupSize({100}), 0);
}

}  // namespace
}  // namespace pivot
