// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_QEP_H_
#define PIVOT_ENGINE_QUANTIZE_QEP_H_

// Quantization error propagation: weights that give the original outputs on the quantized model's inputs.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace pivot {

struct Propagation {
  double alpha = 0.5;     // share of the input's error, from 0 to 1
  double residual = 0;    // share of the residual stream's error, from 0 to 1
  double percdamp = 0.1;  // damp = percdamp * mean(diag H)
};

/// Corrects a weight for the error that its input has already, and for the one that the residual stream has which its
/// output is added to.
///
/// Equation: minimise ||W Xᵀ + r - W* X̂ᵀ - r̂||^2 over W*:  W* = W + (W C + R) inv(H);  returned is
///           W + (alpha W C + residual R) inv(H + damp I).
/// Source:   QEP, arXiv:2504.09629, its closed-form solution and its damping alpha; R: the closed form of LPCD,
///           arXiv:2512.01546. Differs: the shares are not applied a second time to the result.
/// Shapes:   weight [out, in]; hessian [in, in]; moved, the product W C, [out, in]; residual [out, in] or undefined
///           (InputMoments).
/// Dtypes:   all fp32; factorized in fp64, the rest and the result fp32.
/// Errors:   kFailedPrecondition (reason NUMERICAL_FAILURE) when H + damp I is not positive definite after damping was
/// multiplied by 10
///           five times, or a value is not finite.
/// Cost:     O(in^3 + out*in^2) time.
struct CorrectedWeight {
  at::Tensor weight;
  double percdamp = 0;         // as it was used in the end
  double relative_change = 0;  // ||W' - W|| / ||W||, Frobenius
};
absl::StatusOr<CorrectedWeight> PropagateError(const at::Tensor& weight, const at::Tensor& hessian,
                                               const at::Tensor& moved, const at::Tensor& residual,
                                               const Propagation& propagation);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_QEP_H_
