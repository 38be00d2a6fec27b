// SPDX-License-Identifier: Apache-2.0
#include "kernels/asymmetric_clip.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "kernels/bf16.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

struct Case {
  TestDevice device;
  int64_t group_size;
  int bits;
};

constexpr int64_t kRows = 6;
constexpr int64_t kGroups = 3;
constexpr int kSteps = 80;

struct Data {
  std::vector<float> weight, importance;
};

/// Groups whose middle is not 0, one of zeros, one of a single sign, an outlier.
Data MakeData(int64_t group_size, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Data data;
  for (int64_t i = 0; i < kRows * kGroups * group_size; ++i) data.weight.push_back(0.05F * normal(generator) + 0.04F);
  data.weight[3] *= 20;
  for (int64_t i = 0; i < group_size; ++i) {
    data.weight[static_cast<size_t>(kGroups * group_size + i)] = 0;
    float& positive = data.weight[static_cast<size_t>((kGroups + 1) * group_size + i)];
    positive = std::abs(positive) + 0.01F;
  }
  for (int64_t i = 0; i < kGroups * group_size; ++i) data.importance.push_back(std::exp(normal(generator)));
  return data;
}

struct Reference {
  double error = 0;
  float scale = 0;
  int zero_point = 0;
};

Reference At(const Case& shape, const Data& data, int64_t row, int64_t group, int step) {
  const float* weight = data.weight.data() + (row * kGroups + group) * shape.group_size;
  const float low = std::min(0.0F, *std::min_element(weight, weight + shape.group_size));
  const float high = std::max(0.0F, *std::max_element(weight, weight + shape.group_size));
  const float shrink = 1.0F - static_cast<float>(step) / 100.0F;
  const int lowest = -(1 << (shape.bits - 1));
  Reference at{.scale = RoundToBf16((high - low) / static_cast<float>((1 << shape.bits) - 1) * shrink)};
  at.zero_point = std::clamp(lowest - static_cast<int>(std::nearbyint(low * shrink / at.scale)), lowest, -lowest - 1);
  for (int64_t i = 0; i < shape.group_size; ++i) {
    const double exact = static_cast<double>(weight[i]) / at.scale + at.zero_point;
    const double code = std::clamp(std::nearbyint(exact), static_cast<double>(lowest), -lowest - 1.0);
    const double error = weight[i] - at.scale * (code - at.zero_point);
    at.error += data.importance[static_cast<size_t>(group * shape.group_size + i)] * error * error;
  }
  return at;
}

class AsymmetricClipTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
  }
  static GridOutput Run(const Data& data, int num_steps) {
    return AsymmetricClipOn(GetParam().device,
                            {.rows = kRows,
                             .columns = kGroups * GetParam().group_size,
                             .group_size = GetParam().group_size,
                             .bits = GetParam().bits,
                             .num_steps = num_steps},
                            data.weight, data.importance);
  }
  static bool IsZero(int64_t row, int64_t group) { return row == 1 && group == 0; }
};

TEST_P(AsymmetricClipTest, FindsTheLeastErrorOfAllSteps) {
  const Data data = MakeData(GetParam().group_size, 1);
  const GridOutput grid = Run(data, kSteps);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t group = 0; group < kGroups; ++group) {
      if (IsZero(row, group)) continue;
      double least = INFINITY;
      double found = INFINITY;
      for (int step = 0; step < kSteps; ++step) {
        const Reference at = At(GetParam(), data, row, group, step);
        least = std::min(least, at.error);
        const auto index = static_cast<size_t>(row * kGroups + group);
        if (at.scale == grid.scales[index] && at.zero_point == grid.zero_points[index])
          found = std::min(found, at.error);
      }
      // Two steps whose errors differ by less than float sums can tell may be taken for one another.
      EXPECT_LE(found, least * (1 + 1e-5)) << "row " << row << " group " << group;
    }
  }
}

TEST_P(AsymmetricClipTest, WithoutStepsTakesTheWholeRange) {
  const Data data = MakeData(GetParam().group_size, 2);
  const GridOutput grid = Run(data, 1);
  for (int64_t i = 0; i < kRows * kGroups; ++i) {
    if (IsZero(i / kGroups, i % kGroups)) continue;
    const Reference at = At(GetParam(), data, i / kGroups, i % kGroups, 0);
    EXPECT_EQ(grid.scales[static_cast<size_t>(i)], at.scale);
    EXPECT_EQ(grid.zero_points[static_cast<size_t>(i)], at.zero_point);
  }
}

TEST_P(AsymmetricClipTest, GivesOneAndZeroForAGroupOfZeros) {
  const GridOutput grid = Run(MakeData(GetParam().group_size, 3), kSteps);
  EXPECT_EQ(grid.scales[kGroups], 1.0F);
  EXPECT_EQ(grid.zero_points[kGroups], 0);
}

TEST_P(AsymmetricClipTest, PutsTheZeroOfAOneSidedGroupAtTheEnd) {
  const GridOutput grid = Run(MakeData(GetParam().group_size, 4), 1);
  EXPECT_EQ(grid.zero_points[kGroups + 1], -(1 << (GetParam().bits - 1)));
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const TestDevice device : TestDevices()) {
    for (const int bits : {2, 4, 8}) cases.push_back({device, 64, bits});
    cases.push_back({device, 128, 4});
    cases.push_back({device, 37, 4});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, AsymmetricClipTest, ::testing::ValuesIn(Cases()), [](const auto& test) {
  return DeviceLabel(test.param.device) + "_group" + std::to_string(test.param.group_size) + "_bits" +
         std::to_string(test.param.bits);
});

}  // namespace
}  // namespace pivot
