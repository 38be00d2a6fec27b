// SPDX-License-Identifier: Apache-2.0
#include "kernels/clip_search.h"

#include <cmath>
#include <cstring>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "kernels/bf16.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

struct ClipCase {
  TestDevice device;
  int64_t group_size;
  int bits;
  ScaleSigns signs = ScaleSigns::kPositive;
};

constexpr int64_t kRows = 6;
constexpr int64_t kGroups = 3;

struct ClipData {
  std::vector<float> weight, importance;
};

/// An outlier of twenty times the usual size, a group of zeros, and inputs that matter very differently.
ClipData MakeData(int64_t group_size, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  ClipData data;
  for (int64_t i = 0; i < kRows * kGroups * group_size; ++i) data.weight.push_back(0.05F * normal(generator));
  data.weight[3] *= 20;
  for (int64_t i = 0; i < group_size; ++i) data.weight[static_cast<size_t>(kGroups * group_size + i)] = 0;
  for (int64_t i = 0; i < kGroups * group_size; ++i) data.importance.push_back(std::exp(normal(generator)));
  return data;
}

double ErrorOf(const ClipCase& shape, const ClipData& data, int64_t row, int64_t group, double scale) {
  const double lowest = -std::pow(2.0, shape.bits - 1);
  double total = 0;
  for (int64_t i = 0; i < shape.group_size; ++i) {
    const int64_t column = group * shape.group_size + i;
    const double weight = data.weight[static_cast<size_t>(row * kGroups * shape.group_size + column)];
    const double code = std::min(std::max(std::nearbyint(weight / scale), lowest), -lowest - 1);
    total += data.importance[static_cast<size_t>(column)] * (weight - code * scale) * (weight - code * scale);
  }
  return total;
}

double LargestOf(const ClipCase& shape, const ClipData& data, int64_t row, int64_t group) {
  double largest = 0;
  for (int64_t i = 0; i < shape.group_size; ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(
                                    data.weight[static_cast<size_t>((row * kGroups + group) * shape.group_size + i)])));
  }
  return largest;
}

/// Of all steps.
double LeastError(const ClipCase& shape, const ClipData& data, int64_t row, int64_t group) {
  const bool is_either = shape.signs == ScaleSigns::kEither;
  const auto base =
      static_cast<float>(LargestOf(shape, data, row, group)) * 2.0F / static_cast<float>((1 << shape.bits) - 1);
  double least = INFINITY;
  for (int step = is_either ? -16 : 0; step < 80; ++step) {
    const float scale = RoundToBf16(base * (1.0F - static_cast<float>(step) / 100.0F));
    least = std::min(least, ErrorOf(shape, data, row, group, scale));
    if (is_either) least = std::min(least, ErrorOf(shape, data, row, group, -scale));
  }
  return least;
}

class ClipSearchTest : public ::testing::TestWithParam<ClipCase> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
  }
  static std::vector<float> Run(const ClipData& data, int num_steps) {
    const ClipCase& shape = GetParam();
    return ClipSearchOn(shape.device,
                        {.rows = kRows,
                         .columns = kGroups * shape.group_size,
                         .group_size = shape.group_size,
                         .bits = shape.bits,
                         .num_steps = num_steps,
                         .signs = shape.signs},
                        data.weight, data.importance);
  }
};

TEST_P(ClipSearchTest, FindsTheLeastErrorOfAllSteps) {
  const ClipCase& shape = GetParam();
  const ClipData data = MakeData(shape.group_size, 1);
  const std::vector<float> scales = Run(data, 80);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t group = 0; group < kGroups; ++group) {
      if (LargestOf(shape, data, row, group) == 0) continue;
      const double least = LeastError(shape, data, row, group);
      const double found = ErrorOf(shape, data, row, group, scales[static_cast<size_t>(row * kGroups + group)]);
      // Two steps whose errors differ by less than float sums can tell may be taken for one another.
      EXPECT_LE(found, least * (1 + 1e-5)) << "row " << row << " group " << group;
    }
  }
}

TEST_P(ClipSearchTest, WithoutStepsTakesTheLargestMagnitude) {
  const ClipCase& shape = GetParam();
  const ClipData data = MakeData(shape.group_size, 2);
  const std::vector<float> scales = Run(data, 1);
  for (int64_t i = 0; i < kRows * kGroups; ++i) {
    const double largest = LargestOf(shape, data, i / kGroups, i % kGroups);
    if (largest == 0) continue;
    EXPECT_EQ(scales[static_cast<size_t>(i)],
              RoundToBf16(static_cast<float>(largest) * 2.0F / static_cast<float>((1 << shape.bits) - 1)));
  }
}

TEST_P(ClipSearchTest, GivesScalesThatBf16Holds) {
  for (const float scale : Run(MakeData(GetParam().group_size, 3), 80)) {
    uint32_t bits = 0;
    std::memcpy(&bits, &scale, sizeof(bits));
    EXPECT_EQ(bits & 0xFFFFU, 0U);
    if (GetParam().signs == ScaleSigns::kPositive) {
      EXPECT_GT(scale, 0.0F);
    } else {
      EXPECT_NE(scale, 0.0F);
    }
  }
}

TEST_P(ClipSearchTest, GivesOneForAGroupOfZeros) {
  const std::vector<float> scales = Run(MakeData(GetParam().group_size, 4), 80);
  EXPECT_EQ(scales[static_cast<size_t>(kGroups)], 1.0F);
}

TEST_P(ClipSearchTest, CutsOffAnOutlierThatDoesNotMatter) {
  const ClipCase& shape = GetParam();
  if (shape.bits > 4) GTEST_SKIP() << "enough codes for the outlier too";
  ClipData data = MakeData(shape.group_size, 5);
  data.importance[3] = 0;
  const std::vector<float> scales = Run(data, 80);
  const double largest = LargestOf(shape, data, 0, 0);
  EXPECT_LT(std::abs(scales[0]), 0.5 * largest * 2 / ((1 << shape.bits) - 1));
}

TEST_P(ClipSearchTest, TurnsTheLongSideOfTheCodesToTheLargestWeight) {
  if (GetParam().signs == ScaleSigns::kPositive) GTEST_SKIP() << "scales are positive";
  ClipData data = MakeData(GetParam().group_size, 6);
  // 2^(bits-1) steps of 0.1 to one side and none to the other: only codes of one sign hold them exactly.
  const auto reach = static_cast<float>(1 << (GetParam().bits - 1));
  for (int64_t i = 0; i < GetParam().group_size; ++i) {
    const float weight = 0.125F * (i == 0 ? reach : static_cast<float>(i % static_cast<int64_t>(reach)));
    data.weight[static_cast<size_t>(i)] = weight;
    data.weight[static_cast<size_t>(GetParam().group_size + i)] = -weight;
  }
  const std::vector<float> scales = Run(data, 80);
  EXPECT_LT(scales[0], 0.0F);
  EXPECT_GT(scales[1], 0.0F);
}

std::vector<ClipCase> Cases() {
  std::vector<ClipCase> cases;
  for (const TestDevice device : TestDevices()) {
    for (const int bits : {2, 3, 4, 8}) cases.push_back({device, 64, bits});
    cases.push_back({device, 128, 4});
    cases.push_back({device, 37, 4});
    for (const int bits : {2, 4}) cases.push_back({device, 64, bits, ScaleSigns::kEither});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, ClipSearchTest, ::testing::ValuesIn(Cases()), [](const auto& test) {
  return DeviceLabel(test.param.device) + "_group" + std::to_string(test.param.group_size) + "_bits" +
         std::to_string(test.param.bits) + (test.param.signs == ScaleSigns::kEither ? "_signed" : "");
});

}  // namespace
}  // namespace pivot
