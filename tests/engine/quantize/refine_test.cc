// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/refine.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <cmath>

#include "engine/checkpoint/quantized_linear.h"
#include "engine/quantize/gptq.h"
#include "tests/engine/quantize/reference.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kRows = 12;

struct RefineCase {
  int bits;
  int64_t group_size;
  Symmetry symmetry;
};

struct Problem {
  at::Tensor weight, hessian, codes;
  QuantizationGrid grid;
  WeightScheme scheme;
};

/// A start made by GPTQ; groups of 160 are wider than a panel.
Problem MakeProblem(const RefineCase& shape, int64_t columns, int64_t seed) {
  at::manual_seed(static_cast<uint64_t>(seed));
  Problem problem{.weight = at::randn({kRows, columns}) + (shape.symmetry == Symmetry::kAsymmetric ? 0.5 : 0.0),
                  .scheme = {.bits = shape.bits, .group_size = shape.group_size, .symmetry = shape.symmetry}};
  const at::Tensor inputs = CorrelatedInputs(4 * columns, columns, seed);
  problem.hessian = RegularizeHessian(Moment(inputs, inputs).to(at::kFloat), 0.1);
  problem.grid = *SearchGrid(problem.weight, at::ones({columns}), problem.scheme, {.clip = ClipSearch::kNone});
  const HessianFactor factor = *FactorizeHessian(problem.hessian, 1e-6, ActOrder::kWeight);
  problem.codes = *QuantizeGptq(problem.weight, problem.grid, factor, problem.scheme);
  return problem;
}

/// [rows] f64
at::Tensor Losses(const Problem& problem, const at::Tensor& codes, const QuantizationGrid& grid) {
  const at::Tensor value =
      Dequantize({.codes = codes, .scale = grid.scale, .zero_point = grid.zero_point, .scheme = problem.scheme});
  const at::Tensor error = (problem.weight - value).to(at::kDouble);
  return (at::mm(error, problem.hessian.to(at::kDouble)) * error).sum(1);
}

class RefineTest : public ::testing::TestWithParam<RefineCase> {};

TEST_P(RefineTest, MakesNoRowWorseAndMostRowsBetter) {
  const Problem problem = MakeProblem(GetParam(), 320, 1);
  ASSERT_OK_AND_ASSIGN(const RefinedCodes refined,
                       RefineCodes(problem.weight, problem.codes, problem.grid, problem.hessian, problem.scheme, {}));
  const at::Tensor before = Losses(problem, problem.codes, problem.grid);
  const at::Tensor after = Losses(problem, refined.codes, refined.grid);
  EXPECT_TRUE(after.le(before * (1 + 1e-5)).all().item<bool>());
  EXPECT_GT(after.lt(before * 0.99).sum().item<int64_t>(), kRows / 2);
}

TEST_P(RefineTest, KeepsWhatFilesCanHold) {
  const Problem problem = MakeProblem(GetParam(), 320, 2);
  ASSERT_OK_AND_ASSIGN(const RefinedCodes refined, RefineCodes(problem.weight, problem.codes, problem.grid,
                                                               problem.hessian, problem.scheme, {.scale_digits = 7}));
  const int64_t limit = int64_t{1} << (GetParam().bits - 1);
  EXPECT_GE(refined.codes.min().item<int64_t>(), -limit);
  EXPECT_LT(refined.codes.max().item<int64_t>(), limit);
  const at::Tensor moved = refined.grid.scale.ne(problem.grid.scale);
  EXPECT_TRUE(moved.any().item<bool>());
  EXPECT_TRUE(
      at::equal(StorableScales(refined.grid.scale, 7).masked_select(moved), refined.grid.scale.masked_select(moved)));
  EXPECT_EQ(refined.grid.zero_point.defined(), problem.grid.zero_point.defined());
}

void ExpectNoSingleMoveHelps(const Problem& problem, const RefinedCodes& refined) {
  const at::Tensor losses = Losses(problem, refined.codes, refined.grid);
  const int limit = 1 << (problem.scheme.bits - 1);
  for (int64_t column = 0; column < refined.codes.size(1); column += 7) {
    for (const int step : {-1, 1}) {
      at::Tensor moved = refined.codes.clone();
      moved.select(1, column).add_(step).clamp_(-limit, limit - 1);
      EXPECT_TRUE(Losses(problem, moved, refined.grid).ge(losses * (1 - 1e-5)).all().item<bool>()) << column;
    }
  }
}

TEST_P(RefineTest, EndsWhereNoSingleMoveHelps) {
  const Problem problem = MakeProblem(GetParam(), 320, 3);
  ASSERT_OK_AND_ASSIGN(const RefinedCodes refined, RefineCodes(problem.weight, problem.codes, problem.grid,
                                                               problem.hessian, problem.scheme, {.sweeps = 60}));
  ExpectNoSingleMoveHelps(problem, refined);
}

INSTANTIATE_TEST_SUITE_P(Schemes, RefineTest,
                         ::testing::Values(RefineCase{2, 64, Symmetry::kSymmetric},
                                           RefineCase{3, 32, Symmetry::kSymmetric},
                                           RefineCase{4, 160, Symmetry::kSymmetric},
                                           RefineCase{3, 320, Symmetry::kSymmetric},
                                           RefineCase{4, 64, Symmetry::kAsymmetric}),
                         [](const auto& test) {
                           return "bits" + std::to_string(test.param.bits) + "_group" +
                                  std::to_string(test.param.group_size) +
                                  (test.param.symmetry == Symmetry::kAsymmetric ? "_zero_points" : "");
                         });

TEST(RefineStripsTest, TellEachOtherWhatTheyChangedAlsoWhenTheLastIsShorter) {
  const Problem problem = MakeProblem({3, 32, Symmetry::kSymmetric}, 288, 5);  // nine groups, strips of two
  ASSERT_OK_AND_ASSIGN(const RefinedCodes refined, RefineCodes(problem.weight, problem.codes, problem.grid,
                                                               problem.hessian, problem.scheme, {.sweeps = 60}));
  ExpectNoSingleMoveHelps(problem, refined);
}

TEST(RefineStripsTest, CorrectAnErrorThatAllGroupsShareOnce) {
  Problem problem = MakeProblem({3, 16, Symmetry::kSymmetric}, 256, 7);  // sixteen groups, strips of four
  problem.hessian = 0.05 * at::eye(256) + 1;
  // Each group alone could make good what all of them are off by.
  problem.weight = Dequantize({.codes = problem.codes, .scale = problem.grid.scale, .scheme = problem.scheme}) +
                   0.4 * problem.grid.scale.repeat_interleave(16, 1);
  ASSERT_OK_AND_ASSIGN(const RefinedCodes refined, RefineCodes(problem.weight, problem.codes, problem.grid,
                                                               problem.hessian, problem.scheme, {.sweeps = 1}));
  const at::Tensor before = Losses(problem, problem.codes, problem.grid);
  const at::Tensor after = Losses(problem, refined.codes, refined.grid);
  EXPECT_LT(after.sum().item<double>(), 0.2 * before.sum().item<double>());
}

constexpr int64_t kFew = 4;

/// All codes of four columns, each choice with its best scale of either sign.
double BestByTryingAll(const Problem& problem) {
  double best = INFINITY;
  const at::Tensor hessian = problem.hessian.to(at::kDouble);
  for (int choice = 0; choice < 1 << (2 * kFew); ++choice) {
    at::Tensor steps = at::empty({1, kFew}, at::kDouble);
    for (int64_t column = 0; column < kFew; ++column) steps[0][column] = ((choice >> (2 * column)) & 3) - 2;
    const at::Tensor curve = at::mm(steps, hessian);
    const double curvature = (curve * steps).sum().item<double>();
    const double slope = (curve * problem.weight.to(at::kDouble)).sum().item<double>();
    const at::Tensor error = problem.weight.to(at::kDouble) - (curvature > 0 ? slope / curvature : 0) * steps;
    best = std::min(best, (at::mm(error, hessian) * error).sum().item<double>());
  }
  return best;
}

TEST(RefineSmallTest, ComesCloserToTheOptimumOfProblemsThatCanBeTriedOut) {
  double start = 0;
  double found = 0;
  double best = 0;
  for (int64_t seed = 0; seed < 24; ++seed) {
    at::manual_seed(static_cast<uint64_t>(seed) + 50);
    Problem problem{.weight = at::randn({1, kFew}), .scheme = {.bits = 2, .group_size = kFew}};
    problem.hessian = at::eye(kFew) + 0.8;
    problem.grid = *SearchGrid(problem.weight, at::ones({kFew}), problem.scheme,
                               {.clip = ClipSearch::kConditional, .signs = ScaleSigns::kEither});
    problem.codes = *QuantizeRtn(problem.weight, problem.grid, problem.scheme);
    ASSERT_OK_AND_ASSIGN(const RefinedCodes refined, RefineCodes(problem.weight, problem.codes, problem.grid,
                                                                 problem.hessian, problem.scheme, {.sweeps = 20}));
    start += Losses(problem, problem.codes, problem.grid).item<double>();
    found += Losses(problem, refined.codes, refined.grid).item<double>();
    best += BestByTryingAll(problem);
  }
  EXPECT_LT(found - best, 0.6 * (start - best)) << "start " << start << ", found " << found << ", best " << best;
  EXPECT_GE(found, best * (1 - 1e-6));
}

TEST(RefineSmallTest, FindsAWeightThatIsOnTheGrid) {
  Problem problem = MakeProblem({3, 32, Symmetry::kSymmetric}, 64, 6);
  const at::Tensor scale = StorableScales(problem.grid.scale, 8);
  const at::Tensor codes = at::randint(-4, 4, {kRows, 64}, at::kLong).to(at::kChar);
  problem.weight = Dequantize({.codes = codes, .scale = scale, .scheme = problem.scheme});
  QuantizationGrid start{.scale = StorableScales(scale * 1.05, 8)};
  const at::Tensor rounded = *QuantizeRtn(problem.weight, start, problem.scheme);
  ASSERT_OK_AND_ASSIGN(const RefinedCodes refined,
                       RefineCodes(problem.weight, rounded, start, problem.hessian, problem.scheme, {.sweeps = 10}));
  EXPECT_TRUE(at::equal(refined.codes, codes));
  EXPECT_TRUE(at::equal(refined.grid.scale, scale));
}

TEST(RefineSmallTest, RefusesShapesThatDisagree) {
  const Problem problem = MakeProblem({4, 32, Symmetry::kSymmetric}, 64, 4);
  EXPECT_THAT(
      RefineCodes(problem.weight.narrow(1, 0, 32), problem.codes, problem.grid, problem.hessian, problem.scheme, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("do not fit together")));
}

}  // namespace
}  // namespace pivot
