// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_KERNELS_REFINE_INPUT_H_
#define PIVOT_TESTS_KERNELS_REFINE_INPUT_H_

// Groups to refine, and the same steps in double precision.

#include <string>
#include <vector>

#include "tests/kernels/run_kernels.h"

namespace pivot {

struct RefineCase {
  TestDevice device;
  int64_t rows;
  int64_t columns;
  int bits;
  int64_t padding = 0;  // elements between the rows of every matrix, and between scales
  bool has_zero_points = false;
};

std::vector<RefineCase> RefineCases();
std::string RefineLabel(const RefineCase& shape);

struct RefineInput {
  RefineVectors start;         // rows lie one behind the other
  std::vector<double> weight;  // what the codes should stand for
};

/// Codes rounded to nearest, a Hessian of correlated inputs, scales of both signs, and a first row that is exact.
RefineInput MakeInput(const RefineCase& shape, unsigned seed);

/// Where an element lies in the vectors above.
inline size_t Index(int64_t row, int64_t column, int64_t columns) {
  return static_cast<size_t>(row * columns + column);
}

/// One call of the kernel; rows lie as the case has them, and one behind the other in what is returned. Fails the test
/// when something between the rows was written.
RefineVectors RunRefine(const RefineCase& shape, const RefineVectors& start, int scale_digits);

double LossOf(const RefineCase& shape, const RefineInput& input, const RefineVectors& state, int64_t row);

/// The header's loop over codes in double precision: every code in turn gets the best value by trying all of them.
/// Returns the column from which float and double may rightly go different ways, because two values are as good as each
/// other.
int64_t SweepInDouble(const RefineCase& shape, const RefineInput& input, int64_t row, RefineVectors& state);

}  // namespace pivot

#endif  // PIVOT_TESTS_KERNELS_REFINE_INPUT_H_
