// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/triangles.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace pivot {
namespace {

/// Sizes within a block of each kind, at its border and beyond.
class TrianglesTest : public ::testing::TestWithParam<int64_t> {
 protected:
  TrianglesTest() {
    at::manual_seed(static_cast<uint64_t>(GetParam()));
    const at::Tensor inputs = at::randn({GetParam() + 9, GetParam()}, at::kDouble) + at::randn({GetParam() + 9, 1});
    moment = at::mm(inputs.t(), inputs) / GetParam();
    moment.diagonal().add_(0.1);
    lower = at::linalg_cholesky(moment);
    rows = at::randn({5, GetParam()});
  }

  static double Largest(const at::Tensor& matrix) { return matrix.abs().max().item<double>(); }

  at::Tensor moment, lower, rows;
};

TEST_P(TrianglesTest, TheInverseTimesTheMatrixIsOne) {
  const at::Tensor inverse = lower.clone();
  InvertLower(inverse);
  const at::Tensor one = at::eye(GetParam(), at::kDouble);
  const at::Tensor substituted = at::linalg_solve_triangular(lower, one, /*upper=*/false);
  // Twice what substitution leaves, and rounding of a number of the inverse's size.
  const double bound = 2 * Largest(at::mm(lower, substituted) - one) + 1e-15 * Largest(substituted);
  EXPECT_LE(Largest(at::mm(lower, inverse) - one), bound);
  EXPECT_EQ(Largest(inverse.triu(1)), 0);
}

TEST_P(TrianglesTest, AnElementThatIsOffIsNoticed) {
  const at::Tensor inverse = lower.clone();
  const at::Tensor twin = lower.clone();
  twin[GetParam() - 1][0] += 0.01;
  InvertLower(inverse);
  InvertLower(twin);
  EXPECT_GT(Largest(inverse - twin), 1e-6 * Largest(inverse));
}

TEST_P(TrianglesTest, SolvesRowsAsSubstitutionDoes) {
  const at::Tensor expected = at::cholesky_solve(rows.t().to(at::kDouble), lower).t();
  const at::Tensor substituted = at::cholesky_solve(rows.t(), lower.to(at::kFloat)).t();
  const at::Tensor solved = rows.clone();
  SolveRows(lower, solved);
  const double bound = 2 * Largest(substituted - expected) + 1e-7 * Largest(expected);
  EXPECT_LE(Largest(solved - expected), bound);
}

TEST_P(TrianglesTest, SolvesRowsOfTheMatrixThatItIsGiven) {
  const at::Tensor solved = rows.clone();
  const at::Tensor other = rows.clone();
  SolveRows(lower, solved);
  lower[GetParam() - 1][0] += 0.1;
  SolveRows(lower, other);
  EXPECT_GT(Largest(solved - other), 1e-4 * Largest(solved));
}

INSTANTIATE_TEST_SUITE_P(Sizes, TrianglesTest, ::testing::Values(2, 37, 512, 513, 1024, 1025, 2600));

}  // namespace
}  // namespace pivot
