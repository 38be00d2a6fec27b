// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/input_statistics.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

#include "tests/engine/quantize/reference.h"

namespace pivot {
namespace {

/// Largest difference relative to the largest value.
double Distance(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = b.to(at::kDouble);
  return ((a.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

class InputStatisticsTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(InputStatisticsTest, AreTheMomentsOfAllTilesTogether) {
  const int64_t features = GetParam();
  const at::Tensor original = CorrelatedInputs(700, features, 1);
  const at::Tensor quantized = original + 0.1 * CorrelatedInputs(700, features, 2);
  const at::Tensor residual_error = CorrelatedInputs(700, 24, 9);
  InputStatistics statistics(features, CrossTerm::kGathered, at::kCPU);
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 300}, {300, 1}, {301, 399}}) {
    statistics.Add(quantized.narrow(0, first, count), original.narrow(0, first, count),
                   residual_error.narrow(0, first, count));
  }
  EXPECT_EQ(statistics.num_tokens(), 700);
  // Sums of 700 products in float: below 700 roundings of 6e-8.
  EXPECT_LT(Distance(statistics.Hessian(), Moment(quantized, quantized)), 4e-5);
  EXPECT_LT(Distance(statistics.Cross(), Moment(original - quantized, quantized)), 4e-5);
  EXPECT_LT(Distance(statistics.Difference(), Moment(original - quantized, original - quantized)), 4e-5);
  EXPECT_LT(Distance(statistics.Residual(), Moment(residual_error, quantized)), 4e-5);
  EXPECT_TRUE(at::equal(statistics.Difference(), statistics.Difference().t()));
  EXPECT_TRUE(at::equal(statistics.Hessian(), statistics.Hessian().t()));
}

TEST_P(InputStatisticsTest, NoticeOneTokenMore) {
  const int64_t features = GetParam();
  const at::Tensor inputs = CorrelatedInputs(50, features, 3);
  InputStatistics statistics(features, CrossTerm::kNone, at::kCPU);
  statistics.Add(inputs, {}, {});
  const at::Tensor before = statistics.Hessian();
  statistics.Add(inputs.narrow(0, 0, 1), {}, {});
  EXPECT_FALSE(statistics.has_cross());
  EXPECT_FALSE(statistics.has_residual());
  EXPECT_GT(Distance(statistics.Hessian(), before), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Widths, InputStatisticsTest, ::testing::Values(1, 64, 192, 193, 576, 1000),
                         [](const auto& test) { return "features" + std::to_string(test.param); });

TEST(InputStatisticsTest, Bf16ProductsAreExact) {
  const at::Tensor inputs = CorrelatedInputs(100, 40, 4).to(at::kBFloat16);
  InputStatistics statistics(40, CrossTerm::kGathered, at::kCPU);
  statistics.Add(inputs, inputs, {});
  EXPECT_LT(Distance(statistics.Hessian(), Moment(inputs.to(at::kFloat), inputs.to(at::kFloat))), 1e-5);
  EXPECT_EQ(statistics.Cross().abs().max().item<double>(), 0);
  EXPECT_EQ(statistics.Difference().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace pivot
