// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_ADAM_H_
#define PIVOT_ENGINE_REFINE_ADAM_H_

// How learned values move along their gradients.

#include <ATen/core/Tensor.h>
#include <cstdint>

namespace pivot {

/// Running moments of one tensor's gradient, fp32.
///
/// Equation: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²; p -= rate * m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps),
///           with b1 = 0.9, b2 = 0.95, eps = 1e-12.
/// Source:   Adam, arXiv:1412.6980.
class Adam {
 public:
  /// One step, the n-th, n from 1. parameter and gradient fp32, of one shape. May throw what ATen throws.
  void Step(at::Tensor& parameter, const at::Tensor& gradient, double rate, int64_t n);

  /// Undefined before the first step.
  at::Tensor mean;
  at::Tensor square;
};

/// What a rate is multiplied by at step n of `steps`, n from 1: rises to 1 over the first twentieth, and falls to 0 as
/// a cosine.
double ScheduledShare(int64_t n, int64_t steps);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_ADAM_H_
