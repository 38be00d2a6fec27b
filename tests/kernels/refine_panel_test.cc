// SPDX-License-Identifier: Apache-2.0
#include "kernels/refine_panel.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

struct RefineCase {
  TestDevice device;
  int64_t rows;
  int64_t columns;
  int bits;
};

struct RefineInput {
  std::vector<float> hessian, gradient, scale;
  std::vector<int8_t> codes;
  std::vector<double> weight;  // what the codes should stand for
};

size_t Index(int64_t row, int64_t column, int64_t columns) { return static_cast<size_t>(row * columns + column); }

/// Codes rounded to nearest, a Hessian of correlated inputs, scales of both signs, and a row that is exact already.
RefineInput MakeInput(const RefineCase& shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  const int64_t n = shape.columns;
  RefineInput input;
  std::vector<float> tokens(static_cast<size_t>(4 * n * n));
  for (int64_t t = 0; t < 4 * n; ++t) {
    const float shared = normal(generator);
    for (int64_t c = 0; c < n; ++c) tokens[Index(t, c, n)] = normal(generator) + 0.7F * shared;
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = i == j ? 0.01 : 0;
      for (int64_t t = 0; t < 4 * n; ++t) sum += static_cast<double>(tokens[Index(t, i, n)]) * tokens[Index(t, j, n)];
      input.hessian.push_back(static_cast<float>(sum / static_cast<double>(4 * n)));
    }
  }
  const double limit = std::exp2(shape.bits - 1);
  for (int64_t row = 0; row < shape.rows; ++row) {
    input.scale.push_back((row % 2 == 0 ? 1.0F : -1.0F) * (1.5F / static_cast<float>(limit)));
    for (int64_t c = 0; c < n; ++c) {
      const double scale = input.scale.back();
      double weight = normal(generator);
      const double code = std::clamp(std::nearbyint(weight / scale), -limit, limit - 1);
      if (row == 0) weight = code * scale;
      input.weight.push_back(weight);
      input.codes.push_back(static_cast<int8_t>(code));
    }
  }
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t c = 0; c < n; ++c) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k) {
        const double error = input.weight[Index(row, k, n)] -
                             static_cast<double>(input.scale[static_cast<size_t>(row)]) * input.codes[Index(row, k, n)];
        sum += error * input.hessian[Index(k, c, n)];
      }
      input.gradient.push_back(static_cast<float>(sum));
    }
  }
  return input;
}

double LossOf(const RefineCase& shape, const RefineInput& input, const std::vector<int8_t>& codes, int64_t row) {
  const int64_t n = shape.columns;
  std::vector<double> error;
  for (int64_t c = 0; c < n; ++c)
    error.push_back(input.weight[Index(row, c, n)] -
                    static_cast<double>(input.scale[static_cast<size_t>(row)]) * codes[Index(row, c, n)]);
  double loss = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j)
      loss += error[static_cast<size_t>(i)] * input.hessian[Index(i, j, n)] * error[static_cast<size_t>(j)];
  }
  return loss;
}

/// The header's loop in double precision: every code in turn gets the best value by trying all of them. Returns the
/// column from which float and double may rightly go different ways, because two values are as good as each other.
int64_t SweepInDouble(const RefineCase& shape, const RefineInput& input, int64_t row, std::vector<int8_t>& codes) {
  const auto limit = static_cast<int>(std::exp2(shape.bits - 1));
  for (int64_t c = 0; c < shape.columns; ++c) {
    int8_t& code = codes[Index(row, c, shape.columns)];
    std::vector<std::pair<double, int>> tried;
    for (int value = -limit; value < limit; ++value) {
      code = static_cast<int8_t>(value);
      tried.emplace_back(LossOf(shape, input, codes, row), value);
    }
    std::sort(tried.begin(), tried.end());
    code = static_cast<int8_t>(tried[0].second);
    const double scale = input.scale[static_cast<size_t>(row)];
    const double step_loss = scale * scale * input.hessian[Index(c, c, shape.columns)];
    if (tried[1].first - tried[0].first < 1e-3 * step_loss) return c;
  }
  return shape.columns;
}

class RefinePanelTest : public ::testing::TestWithParam<RefineCase> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
  }
  static RefineOutput Run(const RefineInput& input) {
    const RefineCase& shape = GetParam();
    return RefineOn(shape.device, {.rows = shape.rows, .columns = shape.columns, .bits = shape.bits}, input.hessian,
                    input.gradient, input.scale, input.codes);
  }
};

TEST_P(RefinePanelTest, EqualsTryingEveryCodeInDoublePrecision) {
  const RefineCase& shape = GetParam();
  const RefineInput input = MakeInput(shape, 1);
  const RefineOutput output = Run(input);
  int64_t compared = 0;
  for (int64_t row = 0; row < std::min<int64_t>(shape.rows, 6); ++row) {
    std::vector<int8_t> expected = input.codes;
    const int64_t sure = SweepInDouble(shape, input, row, expected);
    compared += sure;
    for (int64_t c = 0; c < sure; ++c)
      ASSERT_EQ(output.codes[Index(row, c, shape.columns)], expected[Index(row, c, shape.columns)]) << row << " " << c;
  }
  EXPECT_GT(compared, std::min<int64_t>(shape.rows, 6) * shape.columns / 3);
}

TEST_P(RefinePanelTest, LowersTheLossOfRowsThatWereRounded) {
  const RefineCase& shape = GetParam();
  if (shape.columns == 1) GTEST_SKIP() << "rounding is best for one column";
  const RefineInput input = MakeInput(shape, 2);
  const RefineOutput output = Run(input);
  double before = 0;
  double after = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const double start = LossOf(shape, input, input.codes, row);
    const double end = LossOf(shape, input, output.codes, row);
    EXPECT_LE(end, start * (1 + 1e-5)) << row;
    before += start;
    after += end;
  }
  EXPECT_LT(after, 0.9 * before);
}

TEST_P(RefinePanelTest, LeavesAnExactRowAlone) {
  const RefineInput input = MakeInput(GetParam(), 3);
  const RefineOutput output = Run(input);
  for (int64_t c = 0; c < GetParam().columns; ++c) {
    const auto index = static_cast<size_t>(c);
    EXPECT_EQ(output.codes[index], input.codes[index]);
    EXPECT_EQ(output.change[index], 0.0F);
  }
}

TEST_P(RefinePanelTest, ReportsWhatItChangedAndTheGradientBehindIt) {
  const RefineCase& shape = GetParam();
  const RefineInput input = MakeInput(shape, 4);
  const RefineOutput output = Run(input);
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t c = 0; c < shape.columns; ++c) {
      const size_t index = Index(row, c, shape.columns);
      EXPECT_FLOAT_EQ(output.change[index], input.scale[static_cast<size_t>(row)] *
                                                static_cast<float>(output.codes[index] - input.codes[index]));
      double expected = input.gradient[index];
      for (int64_t k = 0; k < shape.columns; ++k)
        expected -= static_cast<double>(output.change[Index(row, k, shape.columns)]) *
                    input.hessian[Index(k, c, shape.columns)];
      // Up to 128 subtractions, each rounded to half an ulp of values below 64.
      ASSERT_NEAR(output.gradient[index], expected, 128 * 64 * 6e-8) << row << " " << c;
    }
  }
}

TEST_P(RefinePanelTest, NoticesAHessianThatIsOffByATenth) {
  if (GetParam().columns == 1) GTEST_SKIP() << "one column moves no other";
  RefineInput input = MakeInput(GetParam(), 5);
  const RefineOutput before = Run(input);
  for (float& value : input.hessian) value *= 1.1F;
  EXPECT_NE(Run(input).gradient, before.gradient);
}

TEST_P(RefinePanelTest, KeepsCodesInRange) {
  RefineInput input = MakeInput(GetParam(), 6);
  for (float& value : input.gradient) value *= 1000;
  const int limit = 1 << (GetParam().bits - 1);
  EXPECT_THAT(Run(input).codes, ::testing::Each(::testing::AllOf(::testing::Ge(-limit), ::testing::Lt(limit))));
}

std::vector<RefineCase> Cases() {
  std::vector<RefineCase> cases;
  for (const TestDevice device : TestDevices()) {
    for (const int bits : {2, 3, 4, 8}) cases.push_back({device, 21, bits == 8 ? 32 : 64, bits});
    cases.push_back({device, 9, 128, 3});
    cases.push_back({device, 1, 1, 4});
    cases.push_back({device, 8, 33, 3});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, RefinePanelTest, ::testing::ValuesIn(Cases()), [](const auto& test) {
  return DeviceLabel(test.param.device) + "_" + std::to_string(test.param.rows) + "x" +
         std::to_string(test.param.columns) + "_bits" + std::to_string(test.param.bits);
});

TEST(RefinePanelRangeTest, DoesOnlyTheRowsItIsAskedFor) {
  const std::vector<float> hessian = {1, 0, 0, 1};
  std::vector<float> gradient(6, 1.0F);
  const std::vector<float> scale(3, 0.5F);
  std::vector<int8_t> code(6, 0);
  std::vector<float> change(6, 9.0F);
  const RefinePanel panel{.rows = 3,
                          .columns = 2,
                          .bits = 4,
                          .hessian = hessian.data(),
                          .hessian_stride = 2,
                          .gradient = gradient.data(),
                          .scale = scale.data(),
                          .code = code.data(),
                          .change = change.data()};
  RunRefinePanel(panel, 1, 2);
  EXPECT_THAT(code, ::testing::ElementsAre(0, 0, 2, 2, 0, 0));
  EXPECT_THAT(change, ::testing::ElementsAre(9, 9, 1, 1, 9, 9));
}

}  // namespace
}  // namespace pivot
