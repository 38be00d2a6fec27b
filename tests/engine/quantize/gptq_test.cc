// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/gptq.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <cmath>
#include <limits>

#include "engine/checkpoint/quantized_linear.h"
#include "engine/ops/kernel_calls.h"
#include "proto/status/reason.h"
#include "tests/engine/quantize/reference.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kRows = 12;
constexpr int64_t kColumns = 96;
constexpr double kPercdamp = 0.01;

struct Problem {
  at::Tensor weight, hessian;
  QuantizationGrid grid;
  WeightScheme scheme;
};

Problem MakeProblem(int bits, int64_t seed, int64_t columns = kColumns) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed) + 100);
  Problem problem{.weight = at::randn({kRows, columns}, generator), .scheme = {.bits = bits, .group_size = 32}};
  const at::Tensor inputs = CorrelatedInputs(4 * columns, columns, seed);
  problem.hessian = Moment(inputs, inputs).to(at::kFloat);
  problem.grid = *SearchGrid(problem.weight, at::ones({columns}), problem.scheme, {.clip = ClipSearch::kNone});
  return problem;
}

at::Tensor Damped(const at::Tensor& hessian) {
  const at::Tensor exact = hessian.to(at::kDouble);
  return exact + kPercdamp * exact.diagonal().mean() * at::eye(exact.size(0), at::kDouble);
}

at::Tensor Dequantized(const Problem& problem, const at::Tensor& codes) {
  return Dequantize(
      {.codes = codes, .scale = problem.grid.scale, .zero_point = problem.grid.zero_point, .scheme = problem.scheme});
}

double LossOf(const Problem& problem, const at::Tensor& codes) {
  return MeasureProxyLoss(problem.weight, Dequantized(problem, codes), problem.hessian).loss;
}

struct GptqCase {
  int bits;
  ActOrder act_order;
};

class GptqTest : public ::testing::TestWithParam<GptqCase> {};

TEST_P(GptqTest, GivesTheCodesOfBrainSurgery) {
  const auto [bits, act_order] = GetParam();
  for (int64_t seed = 0; seed < 3; ++seed) {
    const Problem problem = MakeProblem(bits, seed);
    ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, act_order));
    ASSERT_OK_AND_ASSIGN(const at::Tensor codes, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
    const at::Tensor expected =
        QuantizeByBrainSurgery(problem.weight, problem.grid.scale, Damped(problem.hessian), factor.order, bits);
    // A value that lies within float's reach of a tie may fall to either side, and moves its row from there on.
    const double equal = (codes.to(at::kLong) == expected).to(at::kDouble).mean().item<double>();
    EXPECT_GE(equal, 0.999) << "seed " << seed;
  }
}

TEST_P(GptqTest, LosesLessThanRounding) {
  const auto [bits, act_order] = GetParam();
  const Problem problem = MakeProblem(bits, 7);
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, act_order));
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
  ASSERT_OK_AND_ASSIGN(const at::Tensor rounded, QuantizeRtn(problem.weight, problem.grid, problem.scheme));
  EXPECT_LT(LossOf(problem, codes), 0.7 * LossOf(problem, rounded));
}

INSTANTIATE_TEST_SUITE_P(Widths, GptqTest,
                         ::testing::Values(GptqCase{2, ActOrder::kWeight}, GptqCase{3, ActOrder::kWeight},
                                           GptqCase{4, ActOrder::kWeight}, GptqCase{8, ActOrder::kWeight},
                                           GptqCase{4, ActOrder::kNone}),
                         [](const auto& test) {
                           return "bits" + std::to_string(test.param.bits) +
                                  (test.param.act_order == ActOrder::kWeight ? "_actorder" : "_inorder");
                         });

TEST(AsymmetricGptqTest, LosesLessThanRoundingAndThanASymmetricGrid) {
  Problem problem = MakeProblem(4, 11);
  problem.weight = problem.weight.abs();  // one-sided: what zero points are for
  const auto loss_on = [&problem](Symmetry symmetry) {
    problem.scheme.symmetry = symmetry;
    problem.grid = *SearchGrid(problem.weight, at::ones({kColumns}), problem.scheme, {.clip = ClipSearch::kNone});
    const HessianFactor factor = *FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kWeight);
    const double by_gptq = LossOf(problem, *QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
    EXPECT_LT(by_gptq, 0.7 * LossOf(problem, *QuantizeRtn(problem.weight, problem.grid, problem.scheme)));
    return by_gptq;
  };
  const double symmetric = loss_on(Symmetry::kSymmetric);
  EXPECT_LT(loss_on(Symmetry::kAsymmetric), 0.5 * symmetric);
}

TEST(AsymmetricGptqTest, ReproducesWeightsThatLieOnTheGrid) {
  Problem problem = MakeProblem(4, 12);
  problem.scheme.symmetry = Symmetry::kAsymmetric;
  problem.grid.zero_point = at::randint(-8, 8, problem.grid.scale.sizes(), at::kLong).to(at::kChar);
  const at::Tensor codes = at::randint(-8, 8, {kRows, kColumns}, at::kLong).to(at::kChar);
  problem.weight = Dequantized(problem, codes);
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kWeight));
  ASSERT_OK_AND_ASSIGN(const at::Tensor found, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
  EXPECT_TRUE(at::equal(found, codes));
}

TEST(GptqOptimumTest, EqualsRoundingWhenInputsAreUncorrelated) {
  Problem problem = MakeProblem(4, 1);
  problem.hessian = at::diag(at::linspace(1, 2, kColumns));
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kWeight));
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
  ASSERT_OK_AND_ASSIGN(const at::Tensor rounded, QuantizeRtn(problem.weight, problem.grid, problem.scheme));
  EXPECT_TRUE(at::equal(codes, rounded));
}

TEST(GptqOptimumTest, ReproducesWeightsThatLieOnTheGrid) {
  Problem problem = MakeProblem(4, 2);
  const at::Tensor codes = at::randint(-8, 8, {kRows, kColumns}, at::kLong).to(at::kChar);
  problem.weight = Dequantized(problem, codes);
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kWeight));
  ASSERT_OK_AND_ASSIGN(const at::Tensor found, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
  EXPECT_TRUE(at::equal(found, codes));
}

TEST(GptqOptimumTest, HandlesPanelsThatDoNotFillTheLastOne) {
  const Problem problem = MakeProblem(4, 3, 160);
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kWeight));
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
  const at::Tensor expected =
      QuantizeByBrainSurgery(problem.weight, problem.grid.scale, Damped(problem.hessian), factor.order, 4);
  EXPECT_GE((codes.to(at::kLong) == expected).to(at::kDouble).mean().item<double>(), 0.999);
}

TEST(HessianFactorTest, OrdersColumnsByFallingDiagonal) {
  const at::Tensor hessian = at::diag(at::tensor({1.0F, 5.0F, 3.0F, 5.0F}));
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(hessian, kPercdamp, ActOrder::kWeight));
  EXPECT_TRUE(at::equal(factor.order, at::tensor({1, 3, 2, 0}, at::kLong)));
}

TEST(HessianFactorTest, IsTheFactorOfTheDampedInverse) {
  const Problem problem = MakeProblem(4, 4);
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kNone));
  const at::Tensor upper = factor.upper.to(at::kDouble);
  const at::Tensor product = at::mm(at::mm(upper.t(), upper), Damped(problem.hessian));
  // The factor is rounded to float: an error of eps times the condition number, which is below 1e4 here.
  EXPECT_LT((product - at::eye(kColumns, at::kDouble)).abs().max().item<double>(), 1e-2);
}

TEST(HessianFactorTest, ZeroesDeadColumns) {
  Problem problem = MakeProblem(4, 5);
  problem.hessian.select(0, 17).zero_();
  problem.hessian.select(1, 17).zero_();
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, ActOrder::kWeight));
  EXPECT_EQ(factor.dead_columns, 1);
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme));
  EXPECT_TRUE(codes.select(1, 17).eq(0).all().item<bool>());
}

TEST(HessianFactorTest, RaisesDampingUntilItHelpsAndSaysSo) {
  at::Tensor hessian = at::eye(8);
  hessian[0][1] = hessian[1][0] = 1.05F;  // an eigenvalue of -0.05: 0.01 is too little, 0.1 is enough
  ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(hessian, kPercdamp, ActOrder::kNone));
  EXPECT_DOUBLE_EQ(factor.percdamp, 0.1);
}

TEST(HessianFactorTest, GivesUpOnAMatrixThatNoDampingHelps) {
  at::Tensor hessian = at::eye(8);
  hessian[0][1] = hessian[1][0] = 1e6F;
  const auto factor = FactorizeHessian(hessian, kPercdamp, ActOrder::kNone);
  EXPECT_THAT(factor, StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr("not positive definite")));
  EXPECT_EQ(ReasonOf(factor.status()), "NUMERICAL_FAILURE");
}

TEST(HessianFactorTest, RefusesValuesThatAreNotFinite) {
  at::Tensor hessian = at::eye(8);
  hessian[3][3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(FactorizeHessian(hessian, kPercdamp, ActOrder::kNone),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr("not finite")));
}

TEST(QuantizeTest, RefusesShapesThatDoNotFit) {
  const Problem problem = MakeProblem(4, 6);
  EXPECT_THAT(QuantizeRtn(problem.weight, {.scale = at::ones({kRows + 1, 3})}, problem.scheme),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
  EXPECT_THAT(QuantizeRtn(problem.weight, {.scale = at::ones({kRows, 5})}, problem.scheme),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
}

TEST(QuantizeTest, RoundsHalfToEven) {
  const at::Tensor weight = at::tensor({0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 100.0F, -100.0F, 0.0F}).view({1, 8});
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, QuantizeRtn(weight, {.scale = at::ones({1, 1})}, WeightScheme{}));
  EXPECT_TRUE(at::equal(codes, at::tensor({0, 2, 2, 0, -2, 7, -8, 0}, at::kChar).view({1, 8})));
}

TEST(ProxyLossTest, IsTheOutputErrorOnTheInputs) {
  const at::Tensor inputs = CorrelatedInputs(200, 32, 1);
  const at::Tensor weight = at::randn({5, 32});
  const at::Tensor quantized = weight + 0.1 * at::randn({5, 32});
  const ProxyLoss loss = MeasureProxyLoss(weight, quantized, Moment(inputs, inputs).to(at::kFloat));
  const double expected = at::mm(inputs, (weight - quantized).t()).square().sum().item<double>() * 2 / 200;
  EXPECT_NEAR(loss.loss, expected, 1e-4 * expected);
}

TEST(RegularizeHessianTest, AddsTheRootOfTheDiagonalTimesItsMean) {
  Problem problem = MakeProblem(4, 21);
  problem.hessian.select(0, 5).zero_();
  problem.hessian.select(1, 5).zero_();
  const at::Tensor exact = problem.hessian.to(at::kDouble);
  const at::Tensor expected = exact + at::diag((exact.diagonal() * exact.diagonal().mean()).sqrt() * 0.7);
  const at::Tensor found = RegularizeHessian(problem.hessian, 0.7);
  EXPECT_TRUE(at::allclose(found.to(at::kDouble), expected, 1e-5, 1e-7));
  EXPECT_EQ(found[5][5].item<float>(), 0);
  EXPECT_TRUE(at::equal(RegularizeHessian(problem.hessian, 0), problem.hessian));
}

TEST(ConditionalImportanceTest, IsTheInverseOfTheInversesDiagonal) {
  for (const ActOrder order : {ActOrder::kNone, ActOrder::kWeight}) {
    const Problem problem = MakeProblem(4, 22);
    ASSERT_OK_AND_ASSIGN(const HessianFactor factor, FactorizeHessian(problem.hessian, kPercdamp, order));
    const at::Tensor expected = at::inverse(Damped(problem.hessian)).diagonal().reciprocal();
    EXPECT_TRUE(at::allclose(ConditionalImportance(factor).to(at::kDouble), expected, 1e-4, 0));
  }
}

}  // namespace
}  // namespace pivot
