// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/qep.h"

#include <ATen/ATen.h>
#include <cmath>
#include <limits>

#include "proto/status/reason.h"
#include "tests/engine/quantize/reference.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kTokens = 600;
constexpr int64_t kFeatures = 48;

struct Problem {
  at::Tensor weight, original, quantized, hessian, cross;
};

Problem MakeProblem(int64_t seed) {
  at::manual_seed(static_cast<uint64_t>(seed));
  Problem problem{.weight = at::randn({10, kFeatures}), .original = CorrelatedInputs(kTokens, kFeatures, seed)};
  problem.quantized = problem.original + 0.1 * CorrelatedInputs(kTokens, kFeatures, seed + 1);
  problem.hessian = Moment(problem.quantized, problem.quantized).to(at::kFloat);
  problem.cross = Moment(problem.original - problem.quantized, problem.quantized).to(at::kFloat);
  return problem;
}

double OutputError(const Problem& problem, const at::Tensor& weight) {
  const at::Tensor wanted = at::mm(problem.original.to(at::kDouble), problem.weight.to(at::kDouble).t());
  return (wanted - at::mm(problem.quantized.to(at::kDouble), weight.to(at::kDouble).t())).square().sum().item<double>();
}

TEST(QepTest, EqualsTheNormalEquations) {
  const Problem problem = MakeProblem(1);
  for (const double alpha : {0.0, 0.5, 1.0}) {
    ASSERT_OK_AND_ASSIGN(const CorrectedWeight corrected,
                         PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), {},
                                        {.alpha = alpha, .percdamp = 0.01}));
    const double damp = 0.01 * problem.hessian.diagonal().mean().item<double>();
    const at::Tensor expected = PropagateByInverse(problem.weight, problem.hessian, problem.cross, alpha, damp);
    EXPECT_TRUE(at::allclose(corrected.weight.to(at::kDouble), expected, 1e-5, 1e-6)) << "alpha " << alpha;
  }
}

TEST(QepTest, FullStrengthMinimisesTheOutputError) {
  const Problem problem = MakeProblem(2);
  ASSERT_OK_AND_ASSIGN(const CorrectedWeight corrected,
                       PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), {},
                                      {.alpha = 1.0, .percdamp = 1e-9}));
  const double least = OutputError(problem, corrected.weight);
  EXPECT_LT(least, 0.9 * OutputError(problem, problem.weight));
  for (int64_t seed = 0; seed < 5; ++seed) {
    at::manual_seed(static_cast<uint64_t>(seed));
    EXPECT_GT(OutputError(problem, corrected.weight + 1e-2 * at::randn_like(corrected.weight)), least);
  }
}

TEST(QepTest, MakesGoodTheResidualStreamToo) {
  const Problem problem = MakeProblem(7);
  // The streams differ by something that the input tells of, and by noise that it does not.
  at::manual_seed(8);
  const at::Tensor residual_error =
      at::mm(problem.quantized, 0.2 * at::randn({kFeatures, 10})) + 0.1 * at::randn({kTokens, 10});
  const at::Tensor residual = Moment(residual_error, problem.quantized).to(at::kFloat);
  ASSERT_OK_AND_ASSIGN(const CorrectedWeight corrected,
                       PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), residual,
                                      {.alpha = 1, .residual = 1, .percdamp = 1e-9}));
  const at::Tensor wanted = at::mm(problem.original, problem.weight.t()) + residual_error;
  // The least squares solution by another route.
  const at::Tensor inputs = problem.quantized.to(at::kDouble);
  const at::Tensor best = std::get<0>(at::linalg_lstsq(inputs, wanted.to(at::kDouble)));
  const double least = (wanted - at::mm(inputs, best)).square().sum().item<double>();
  const double found = (wanted - at::mm(inputs, corrected.weight.to(at::kDouble).t())).square().sum().item<double>();
  EXPECT_LT(found, least * (1 + 1e-5));
  const double before = (wanted - at::mm(problem.quantized, problem.weight.t())).square().sum().item<double>();
  EXPECT_LT(least, 0.5 * before) << "there was something to make good";
  ASSERT_OK_AND_ASSIGN(const CorrectedWeight half,
                       PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), residual,
                                      {.alpha = 0, .residual = 0.5, .percdamp = 0.01}));
  const double damp = 0.01 * problem.hessian.diagonal().mean().item<double>();
  const at::Tensor inverse = at::inverse(problem.hessian.to(at::kDouble) + damp * at::eye(kFeatures, at::kDouble));
  const at::Tensor expected = problem.weight + 0.5 * at::mm(residual.to(at::kDouble), inverse);
  // Solved in fp32: 6e-8 times the condition of the damped Hessian, some hundreds.
  const double distance = at::linalg_vector_norm(half.weight.to(at::kDouble) - expected).item<double>();
  EXPECT_LT(distance, 3e-5 * at::linalg_vector_norm(expected).item<double>());
}

TEST(QepTest, ErrorFallsSteadilyWithStrength) {
  const Problem problem = MakeProblem(3);
  double previous = std::numeric_limits<double>::infinity();
  for (const double alpha : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    ASSERT_OK_AND_ASSIGN(const CorrectedWeight corrected,
                         PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), {},
                                        {.alpha = alpha, .percdamp = 1e-6}));
    const double error = OutputError(problem, corrected.weight);
    EXPECT_LT(error, previous);
    previous = error;
  }
}

TEST(QepTest, LeavesTheWeightAloneWhenInputsAreUnharmed) {
  Problem problem = MakeProblem(4);
  problem.cross.zero_();
  ASSERT_OK_AND_ASSIGN(const CorrectedWeight corrected,
                       PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), {},
                                      {.alpha = 1.0, .percdamp = 0.01}));
  EXPECT_TRUE(at::equal(corrected.weight, problem.weight));
  EXPECT_EQ(corrected.relative_change, 0);
}

TEST(QepTest, LeavesDeadColumnsAlone) {
  Problem problem = MakeProblem(5);
  for (at::Tensor* moment : {&problem.hessian, &problem.cross}) {
    moment->select(0, 3).zero_();
    moment->select(1, 3).zero_();
  }
  ASSERT_OK_AND_ASSIGN(const CorrectedWeight corrected,
                       PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), {},
                                      {.alpha = 0.5, .percdamp = 0.01}));
  EXPECT_TRUE(at::equal(corrected.weight.select(1, 3), problem.weight.select(1, 3)));
}

TEST(QepTest, SaysWhatFailsOnValuesThatAreNotFinite) {
  Problem problem = MakeProblem(6);
  problem.cross[0][0] = std::nanf("");
  const auto corrected = PropagateError(problem.weight, problem.hessian, at::mm(problem.weight, problem.cross), {},
                                        {.alpha = 0.5, .percdamp = 0.01});
  EXPECT_THAT(corrected, StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr("damping")));
  EXPECT_EQ(ReasonOf(corrected.status()), "NUMERICAL_FAILURE");
}

}  // namespace
}  // namespace pivot
