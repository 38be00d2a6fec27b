// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "kernels/refine_group.h"
#include "kernels/storable_scale.h"
#include "tests/kernels/refine_input.h"

namespace pivot {
namespace {

constexpr int kDigits = 7;

/// The header's step of scales in double precision.
struct ScaleTwin {
  double slope = 0;
  double curvature = 0;

  ScaleTwin(const RefineCase& shape, const RefineVectors& state, int64_t row) {
    const int64_t n = shape.columns;
    for (int64_t i = 0; i < n; ++i) {
      slope += StepOf(shape, state, row, i) * state.gradient[Index(row, i, n)];
      for (int64_t j = 0; j < n; ++j)
        curvature += StepOf(shape, state, row, i) * state.hessian[Index(i, j, n)] * StepOf(shape, state, row, j);
    }
  }

  static double StepOf(const RefineCase& shape, const RefineVectors& state, int64_t row, int64_t column) {
    const int zero_point = state.zero_point.empty() ? 0 : state.zero_point[static_cast<size_t>(row)];
    return state.codes[Index(row, column, shape.columns)] - zero_point;
  }

  /// Nothing where a rounding error of float may decide.
  std::optional<float> Best(float scale) const {
    const double wanted = scale + slope / curvature;
    const float stored = StorableScale(static_cast<float>(wanted), kDigits);
    for (const double off : {1 - 1e-5, 1 + 1e-5}) {
      if (StorableScale(static_cast<float>(wanted * off), kDigits) != stored) return std::nullopt;
    }
    const double move = static_cast<double>(stored) - scale;
    const double gain = move * (2 * slope - move * curvature);
    if (move != 0 && std::abs(gain) < 1e-4 * move * move * curvature) return std::nullopt;
    return gain > 0 ? stored : scale;
  }
};

class RefineScaleTest : public ::testing::TestWithParam<RefineCase> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
  }
  static RefineVectors Run(const RefineVectors& start) { return RunRefine(GetParam(), start, kDigits); }

  /// How many of the rows end with another scale than the twin's, of those where it has one.
  static int64_t CountOtherScales(const RefineVectors& start, const RefineVectors& end) {
    int64_t others = 0;
    int64_t known = 0;
    for (int64_t row = 0; row < GetParam().rows; ++row) {
      const auto index = static_cast<size_t>(row);
      const std::optional<float> best = ScaleTwin(GetParam(), start, row).Best(start.scale[index]);
      known += best ? 1 : 0;
      others += best && *best != end.scale[index] ? 1 : 0;
    }
    EXPECT_GT(2 * known, GetParam().rows);
    return others;
  }
};

TEST_P(RefineScaleTest, TakesTheBestScaleInDoublePrecision) {
  const RefineInput input = MakeInput(GetParam(), 11);
  const RefineVectors output = Run(input.start);
  EXPECT_EQ(CountOtherScales(input.start, output), 0);
  EXPECT_EQ(output.scale == input.start.scale, GetParam().columns == 1);
}

TEST_P(RefineScaleTest, NoticesAGradientThatIsOffByATenth) {
  if (GetParam().columns == 1) GTEST_SKIP() << "the only row is exact";
  const RefineInput input = MakeInput(GetParam(), 11);
  RefineVectors other = input.start;
  for (float& value : other.gradient) value *= 1.1F;
  EXPECT_GT(CountOtherScales(input.start, Run(other)), 0);
}

TEST_P(RefineScaleTest, NoticesZeroPointsThatAreOffByOne) {
  if (GetParam().columns == 1) GTEST_SKIP() << "the only row is exact";
  const RefineInput input = MakeInput(GetParam(), 11);
  RefineVectors other = input.start;
  other.zero_point.resize(other.scale.size());
  for (int8_t& value : other.zero_point) ++value;
  EXPECT_GT(CountOtherScales(input.start, Run(other)), 0);
}

TEST_P(RefineScaleTest, GivesCodesTheirBestValuesAtTheNewScale) {
  const RefineCase& shape = GetParam();
  const RefineInput input = MakeInput(shape, 12);
  const RefineVectors output = Run(input.start);
  for (int64_t row = 0; row < std::min<int64_t>(shape.rows, 4); ++row) {
    RefineVectors expected = input.start;
    expected.scale = output.scale;
    const int64_t sure = SweepInDouble(shape, input, row, expected);
    for (int64_t c = 0; c < sure; ++c) {
      const size_t index = Index(row, c, shape.columns);
      ASSERT_EQ(output.codes[index], expected.codes[index]) << row << " " << c;
    }
  }
}

TEST_P(RefineScaleTest, ReportsWhatItChangedAndRaisesNoLoss) {
  const RefineCase& shape = GetParam();
  const RefineInput input = MakeInput(shape, 13);
  const RefineVectors output = Run(input.start);
  for (int64_t row = 0; row < shape.rows; ++row) {
    const auto r = static_cast<size_t>(row);
    EXPECT_LE(LossOf(shape, input, output, row), LossOf(shape, input, input.start, row) * (1 + 1e-5)) << row;
    for (int64_t c = 0; c < shape.columns; ++c) {
      const size_t index = Index(row, c, shape.columns);
      const double before = ScaleTwin::StepOf(shape, input.start, row, c) * input.start.scale[r];
      const double after = ScaleTwin::StepOf(shape, output, row, c) * output.scale[r];
      // Three roundings of half an ulp, of values no larger than all steps of the largest scale.
      const double largest = std::max(std::abs(output.scale[r]), std::abs(input.start.scale[r]));
      ASSERT_NEAR(output.change[index], after - before, 3 * 6e-8 * largest * std::exp2(shape.bits)) << row << " " << c;
    }
  }
}

TEST_P(RefineScaleTest, LeavesAScaleThatCannotGain) {
  RefineInput input = MakeInput(GetParam(), 14);
  // The nearest scale that a file can hold is another one, and worse.
  for (float& scale : input.start.scale) scale *= 1.001F;
  std::fill(input.start.gradient.begin(), input.start.gradient.end(), 0.0F);
  const RefineVectors output = Run(input.start);
  EXPECT_EQ(output.scale, input.start.scale);
  EXPECT_EQ(output.codes, input.start.codes);
  EXPECT_THAT(output.change, ::testing::Each(0.0F));
}

TEST_P(RefineScaleTest, LeavesTheScaleOfAGroupThatIsZero) {
  RefineInput input = MakeInput(GetParam(), 15);
  for (int64_t row = 0; row < GetParam().rows; ++row) {
    for (int64_t c = 0; c < GetParam().columns; ++c) {
      const auto zero_point = GetParam().has_zero_points ? input.start.zero_point[static_cast<size_t>(row)] : int8_t{0};
      input.start.codes[Index(row, c, GetParam().columns)] = zero_point;
    }
  }
  EXPECT_EQ(Run(input.start).scale, input.start.scale);
}

TEST_P(RefineScaleTest, GivesTheSameBitsOnEveryDevice) {
  const RefineInput input = MakeInput(GetParam(), 16);
  const RefineVectors output = Run(input.start);
  RefineVectors expected = input.start;
  expected.change.resize(expected.codes.size());
  const int64_t n = GetParam().columns;
  RefineGroup group{.rows = GetParam().rows, .columns = n, .bits = GetParam().bits, .scale_digits = kDigits};
  group.hessian = expected.hessian.data();
  group.gradient = expected.gradient.data();
  group.scale = expected.scale.data();
  group.zero_point = expected.zero_point.empty() ? nullptr : expected.zero_point.data();
  group.code = expected.codes.data();
  group.change = expected.change.data();
  group.hessian_stride = group.gradient_stride = group.code_stride = group.change_stride = n;
  group.scale_stride = group.zero_point_stride = 1;
  RunRefineGroup(group, 0, group.rows);
  EXPECT_EQ(output.scale, expected.scale);
  EXPECT_EQ(output.codes, expected.codes);
  EXPECT_EQ(output.change, expected.change);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RefineScaleTest, ::testing::ValuesIn(RefineCases()),
                         [](const auto& test) { return RefineLabel(test.param); });

TEST(RefineScaleRangeTest, StoresScalesOfAnySizeAsTheHostDoes) {
  std::mt19937 generator(17);
  std::uniform_real_distribution<float> exponent(-30, 18);
  for (const TestDevice device : TestDevices()) {
    if (!IsAvailable(device)) GTEST_SKIP() << "no GPU";
    const RefineCase shape{.device = device, .rows = 20000, .columns = 1, .bits = 8};
    // One code of 1: slope and curvature are the gradient and 1.
    RefineVectors start{.hessian = {1}, .gradient = {}, .scale = {}, .zero_point = {}, .codes = {}, .change = {}};
    std::vector<float> expected;
    for (int64_t row = 0; row < shape.rows; ++row) {
      start.scale.push_back(row % 2 == 0 ? 0x1p-24F : -0.75F);
      start.gradient.push_back(std::exp2(exponent(generator)) * (row % 3 == 0 ? -1.0F : 1.0F));
      start.codes.push_back(1);
      expected.push_back(BetterScale(start.scale.back(), start.gradient.back(), 1, kDigits));
    }
    EXPECT_EQ(RunRefine(shape, start, kDigits).scale, expected);
  }
}

}  // namespace
}  // namespace pivot
