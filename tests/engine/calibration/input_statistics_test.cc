// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/input_statistics.h"

#include <ATen/ATen.h>
#include <utility>

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
  const InputMoments moments = std::move(statistics).Finish();
  EXPECT_EQ(moments.num_tokens, 700);
  // Sums of 700 products in float: below 700 roundings of 6e-8.
  EXPECT_LT(Distance(moments.hessian, Moment(quantized, quantized)), 4e-5);
  EXPECT_LT(Distance(moments.cross, Moment(original - quantized, quantized)), 4e-5);
  EXPECT_LT(Distance(moments.difference, Moment(original - quantized, original - quantized)), 4e-5);
  EXPECT_LT(Distance(moments.residual, Moment(residual_error, quantized)), 4e-5);
  EXPECT_TRUE(at::equal(moments.difference, moments.difference.t()));
  EXPECT_TRUE(at::equal(moments.hessian, moments.hessian.t()));
}

TEST_P(InputStatisticsTest, DriftIsWhatTheWeightMakesOfTheDifference) {
  const int64_t features = GetParam();
  const at::Tensor original = CorrelatedInputs(300, features, 1);
  const at::Tensor quantized = original + 0.1 * CorrelatedInputs(300, features, 2);
  const at::Tensor weight = CorrelatedInputs(5, features, 3);
  InputStatistics statistics(features, CrossTerm::kGathered, at::kCPU, weight);
  statistics.Add(quantized.narrow(0, 0, 100), original.narrow(0, 0, 100), {});
  statistics.Add(quantized.narrow(0, 100, 200), original.narrow(0, 100, 200), {});
  const InputMoments moments = std::move(statistics).Finish();
  EXPECT_FALSE(moments.difference.defined());
  const at::Tensor exact = weight.to(at::kDouble);
  const at::Tensor difference = Moment(original - quantized, original - quantized);
  EXPECT_LT(Distance(moments.drift, (at::mm(exact, difference) * exact).sum(1)), 4e-5);
}

TEST_P(InputStatisticsTest, NoticeOneTokenMore) {
  const int64_t features = GetParam();
  const at::Tensor inputs = CorrelatedInputs(50, features, 3);
  InputStatistics fewer(features, CrossTerm::kNone, at::kCPU);
  InputStatistics statistics(features, CrossTerm::kNone, at::kCPU);
  fewer.Add(inputs, {}, {});
  statistics.Add(inputs, {}, {});
  statistics.Add(inputs.narrow(0, 0, 1), {}, {});
  const InputMoments moments = std::move(statistics).Finish();
  EXPECT_FALSE(moments.cross.defined());
  EXPECT_FALSE(moments.difference.defined());
  EXPECT_FALSE(moments.residual.defined());
  EXPECT_GT(Distance(moments.hessian, std::move(fewer).Finish().hessian), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Widths, InputStatisticsTest, ::testing::Values(1, 64, 192, 193, 576, 1000),
                         [](const auto& test) { return "features" + std::to_string(test.param); });

TEST_P(InputStatisticsTest, AreTheMomentsOfBf16TokensToo) {
  const int64_t features = GetParam();
  const at::Tensor original = CorrelatedInputs(2101, features, 1).to(at::kBFloat16);
  const at::Tensor quantized = (original + 0.1 * CorrelatedInputs(2101, features, 2)).to(at::kBFloat16);
  const at::Tensor difference = original - quantized;
  const at::Tensor residual_error = CorrelatedInputs(2101, 70, 9).to(at::kBFloat16);
  InputStatistics statistics(features, CrossTerm::kGathered, at::kCPU);
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 1500}, {1500, 1}, {1501, 600}}) {
    statistics.Add(quantized.narrow(0, first, count), original.narrow(0, first, count),
                   residual_error.narrow(0, first, count));
  }
  const InputMoments moments = std::move(statistics).Finish();
  const auto moment = [](const at::Tensor& x, const at::Tensor& y) {
    return Moment(x.to(at::kFloat), y.to(at::kFloat));
  };
  // Sums of 2101 products in float, each exact where differences are rounded to bf16 first and right to 2^-9 where not.
  EXPECT_LT(Distance(moments.hessian, moment(quantized, quantized)), 2101 * 6e-8);
  EXPECT_LT(Distance(moments.cross, moment(difference, quantized)), 4e-3);
  EXPECT_LT(Distance(moments.difference, moment(difference, difference)), 4e-3);
  EXPECT_LT(Distance(moments.residual, moment(residual_error, quantized)), 2101 * 6e-8);
  EXPECT_TRUE(at::equal(moments.hessian, moments.hessian.t()));
}

TEST(InputStatisticsTest, Bf16ProductsAreExact) {
  const at::Tensor inputs = CorrelatedInputs(100, 40, 4).to(at::kBFloat16);
  InputStatistics statistics(40, CrossTerm::kGathered, at::kCPU);
  statistics.Add(inputs, inputs, {});
  const InputMoments moments = std::move(statistics).Finish();
  EXPECT_LT(Distance(moments.hessian, Moment(inputs.to(at::kFloat), inputs.to(at::kFloat))), 1e-5);
  EXPECT_EQ(moments.cross.abs().max().item<double>(), 0);
  EXPECT_EQ(moments.difference.abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace pivot
