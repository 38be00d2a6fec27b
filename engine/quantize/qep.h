// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_QEP_H_
#define PIVOT_ENGINE_QUANTIZE_QEP_H_

// Quantization error propagation: weights that give the original outputs on the quantized model's inputs.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace pivot {

/// Corrects a weight for the error that its input has already.
///
/// Equation: minimise ||W Xᵀ - W* X̂ᵀ||^2 over W*:  W* = W + W C inv(H);  returned is W + alpha W C inv(H + damp I).
/// Source:   QEP, arXiv:2504.09629, its closed-form solution and its damping alpha.
/// Shapes:   weight [out, in]; hessian, cross [in, in] (InputStatistics).
/// Dtypes:   all fp32; computed in fp64; result fp32.
/// Units:    damp = percdamp * mean(diag H); alpha from 0 (W itself) to 1.
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
                                               const at::Tensor& cross, double alpha, double percdamp);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_QEP_H_
