// SPDX-License-Identifier: Apache-2.0
#include "kernels/gptq_panel.h"

#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

constexpr int64_t kGroups = 5;

struct PanelCase {
  TestDevice device;
  int64_t rows;
  int64_t columns;
  int bits;
  CodeGrid grid = CodeGrid::kInteger;
};

/// The nearest number of the grid and how far the ratio is from the middle between two, in units of their distance.
struct Rounded {
  double number;
  double from_tie;
};

double RoundHalfUp(double magnitude, double step) { return std::floor(magnitude / step + 0.5) * step; }

Rounded RoundInDouble(double ratio, const PanelCase& shape) {
  if (shape.grid == CodeGrid::kInteger) {
    const double lowest = -std::pow(2.0, shape.bits - 1);
    return {std::min(std::max(std::nearbyint(ratio), lowest), -lowest - 1),
            std::abs(std::abs(ratio - std::floor(ratio)) - 0.5)};
  }
  const bool is_fp8 = shape.grid == CodeGrid::kFloat8;
  const double lowest_exponent = is_fp8 ? -6 : 0;
  const double magnitude = std::abs(ratio);
  const double exponent = std::max(std::floor(std::log2(std::max(magnitude, 1e-30))), lowest_exponent);
  const double step = std::exp2(exponent - (is_fp8 ? 3 : 1));
  const double number = std::min(RoundHalfUp(magnitude, step), is_fp8 ? 448.0 : 6.0);
  return {ratio < 0 ? -number : number, std::abs(magnitude / step - std::floor(magnitude / step) - 0.5)};
}

/// What the code of a grid stands for.
double NumberOf(int8_t code, const PanelCase& shape) {
  if (shape.grid == CodeGrid::kInteger) return code;
  const bool is_fp8 = shape.grid == CodeGrid::kFloat8;
  const int bits = static_cast<uint8_t>(code);
  const int mantissa_bits = is_fp8 ? 3 : 1;
  const int exponent = bits >> mantissa_bits & (is_fp8 ? 15 : 3);
  const double fraction = (bits & (is_fp8 ? 7 : 1)) / std::exp2(mantissa_bits);
  const int bias = is_fp8 ? 7 : 1;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return (bits >> (is_fp8 ? 7 : 3)) == 1 ? -magnitude : magnitude;
}

struct PanelInput {
  std::vector<float> weight, factor, scale;
  std::vector<int32_t> groups;
};

/// Weights with an outlier of twenty times the usual size and a row of zeros; a factor as Hessians of correlated inputs
/// give it.
PanelInput MakeInput(const PanelCase& shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  PanelInput input;
  for (int64_t i = 0; i < shape.rows * shape.columns; ++i) input.weight.push_back(normal(generator));
  input.weight[input.weight.size() / 2] *= 20;
  for (int64_t c = 0; c < shape.columns; ++c) input.weight[static_cast<size_t>(c)] = 0;
  for (int64_t r = 0; r < shape.columns; ++r) {
    for (int64_t c = 0; c < shape.columns; ++c) {
      const float off_diagonal = c > r ? 0.2F * normal(generator) / static_cast<float>(1 + (c - r)) : 0.0F;
      input.factor.push_back(c == r ? 0.5F + std::abs(normal(generator)) : off_diagonal);
    }
  }
  // Neighbours in a panel may be of any groups.
  for (int64_t c = 0; c < shape.columns; ++c) input.groups.push_back(static_cast<int32_t>(c * 7 % kGroups));
  for (int64_t i = 0; i < shape.rows * kGroups; ++i) {
    input.scale.push_back(3.0F / static_cast<float>(1 << (shape.bits - 1)) *
                          (1.0F + 0.1F * std::abs(normal(generator))));
  }
  return input;
}

/// The equation of the header in double precision. `is_tie` marks codes that a float may round the other way.
struct Expected {
  std::vector<double> errors;
  std::vector<double> numbers;
  std::vector<bool> is_tie;
};
Expected RunInDouble(const PanelCase& shape, const PanelInput& input) {
  Expected expected;
  for (int64_t row = 0; row < shape.rows; ++row) {
    std::vector<double> w(input.weight.begin() + row * shape.columns, input.weight.begin() + (row + 1) * shape.columns);
    for (int64_t i = 0; i < shape.columns; ++i) {
      const double scale = input.scale[static_cast<size_t>(row * kGroups + input.groups[static_cast<size_t>(i)])];
      const Rounded rounded = RoundInDouble(w[static_cast<size_t>(i)] / scale, shape);
      const double diagonal = input.factor[static_cast<size_t>(i * shape.columns + i)];
      const double error = (w[static_cast<size_t>(i)] - rounded.number * scale) / diagonal;
      for (int64_t j = i + 1; j < shape.columns; ++j) {
        w[static_cast<size_t>(j)] -= error * input.factor[static_cast<size_t>(i * shape.columns + j)];
      }
      expected.numbers.push_back(rounded.number);
      expected.errors.push_back(error);
      expected.is_tie.push_back(rounded.from_tie < 1e-3);
    }
  }
  return expected;
}

class GptqPanelTest : public ::testing::TestWithParam<PanelCase> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
  }
  static PanelOutput Run(const PanelInput& input) {
    const PanelCase& shape = GetParam();
    return PanelOn(shape.device, {.rows = shape.rows, .columns = shape.columns, .grid = shape.grid, .bits = shape.bits},
                   input.weight, input.factor, input.scale, input.groups);
  }
};

TEST_P(GptqPanelTest, EqualsTheEquationInDoublePrecision) {
  const PanelCase& shape = GetParam();
  const PanelInput input = MakeInput(shape, 1);
  const PanelOutput output = Run(input);
  const Expected expected = RunInDouble(shape, input);
  // A row is compared up to its first near-tie: behind one, float and double may rightly go different ways.
  int64_t compared = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t column = 0; column < shape.columns; ++column) {
      const auto index = static_cast<size_t>(row * shape.columns + column);
      if (expected.is_tie[index]) break;
      ++compared;
      ASSERT_EQ(NumberOf(output.codes[index], shape), expected.numbers[index]) << "row " << row << " column " << column;
      // Each of up to 128 subtractions adds a rounding of half an ulp of values below 64.
      ASSERT_NEAR(output.errors[index], expected.errors[index], 128 * 64 * 6e-8 / 0.5)
          << "row " << row << " column " << column;
    }
  }
  EXPECT_GT(compared, shape.rows * shape.columns / 2);
}

TEST_P(GptqPanelTest, NoticesAFactorThatIsOffByATenth) {
  if (GetParam().columns == 1) GTEST_SKIP() << "one column pushes its error nowhere";
  PanelInput input = MakeInput(GetParam(), 2);
  const PanelOutput before = Run(input);
  for (float& value : input.factor) value *= 1.1F;
  // The diagonal scales the error down as the row scales it up: only a change of their ratio counts.
  for (int64_t i = 0; i < GetParam().columns; ++i)
    input.factor[static_cast<size_t>(i * GetParam().columns + i)] /= 1.1F;
  EXPECT_NE(Run(input).errors, before.errors);
}

TEST_P(GptqPanelTest, GivesZeroForAZeroRow) {
  const PanelOutput output = Run(MakeInput(GetParam(), 3));
  for (int64_t column = 0; column < GetParam().columns; ++column) {
    EXPECT_EQ(output.codes[static_cast<size_t>(column)], 0);
    EXPECT_EQ(output.errors[static_cast<size_t>(column)], 0.0F);
  }
}

TEST_P(GptqPanelTest, KeepsCodesInRange) {
  const PanelOutput output = Run(MakeInput(GetParam(), 4));
  if (GetParam().grid == CodeGrid::kFloat8) GTEST_SKIP() << "every byte but two is a code";
  if (GetParam().grid == CodeGrid::kFloat4) {
    EXPECT_THAT(output.codes, ::testing::Each(::testing::AllOf(::testing::Ge(0), ::testing::Lt(16))));
    return;
  }
  const int limit = 1 << (GetParam().bits - 1);
  EXPECT_THAT(output.codes, ::testing::Each(::testing::AllOf(::testing::Ge(-limit), ::testing::Lt(limit))));
}

std::vector<PanelCase> Cases() {
  std::vector<PanelCase> cases;
  for (const TestDevice device : TestDevices()) {
    for (const int bits : {2, 3, 4, 8}) cases.push_back({device, 37, 128, bits});
    cases.push_back({device, 1, 1, 4});
    cases.push_back({device, 9, 64, 4});
    cases.push_back({device, 8, 33, 3});
    cases.push_back({device, 37, 128, 8, CodeGrid::kFloat8});
    cases.push_back({device, 37, 128, 4, CodeGrid::kFloat4});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, GptqPanelTest, ::testing::ValuesIn(Cases()), [](const auto& test) {
  return DeviceLabel(test.param.device) + "_" + std::to_string(test.param.rows) + "x" +
         std::to_string(test.param.columns) + (test.param.grid == CodeGrid::kInteger ? "_bits" : "_float") +
         std::to_string(test.param.bits);
});

TEST(GptqPanelRangeTest, DoesOnlyTheRowsItIsAskedFor) {
  const std::vector<float> weight(6, 1.0F);
  const std::vector<float> factor = {1, 0, 0, 1};
  const std::vector<float> scale(3, 0.5F);
  const std::vector<int32_t> groups(2, 0);
  std::vector<int8_t> code(6, 99);
  std::vector<float> error(6);
  const GptqPanel panel{.rows = 3,
                        .columns = 2,
                        .bits = 4,
                        .weight = weight.data(),
                        .weight_stride = 2,
                        .factor = factor.data(),
                        .factor_stride = 2,
                        .scale = scale.data(),
                        .scale_stride = 1,
                        .group = groups.data(),
                        .code = code.data(),
                        .code_stride = 2,
                        .error = error.data(),
                        .error_stride = 2};
  RunGptqPanel(panel, 1, 2);
  EXPECT_THAT(code, ::testing::ElementsAre(99, 99, 2, 2, 99, 99));
}

}  // namespace
}  // namespace pivot
