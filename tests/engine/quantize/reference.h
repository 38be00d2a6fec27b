// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_QUANTIZE_REFERENCE_H_
#define PIVOT_TESTS_ENGINE_QUANTIZE_REFERENCE_H_

// Slow fp64 twins of the solvers, written from the papers by another route than the solvers take.

#include <ATen/core/Tensor.h>

namespace pivot {

/// Codes [out, in] int64 by optimal brain quantization in a given order: after each column the inverse Hessian of the
/// columns that are left is formed anew, without any factorization (arXiv:2208.11580, equations 2 and 3). weight [out,
/// in], scale [out, groups], hessian [in, in] with its damping added, order [in].
at::Tensor QuantizeByBrainSurgery(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& hessian,
                                  const at::Tensor& order, int bits);

/// argmin over W* of alpha-blended error propagation through the normal equations: W + alpha W C inv(H + damp I), by an
/// explicit inverse.
at::Tensor PropagateByInverse(const at::Tensor& weight, const at::Tensor& hessian, const at::Tensor& cross,
                              double alpha, double damp);

/// Inputs whose features are correlated, [tokens, features] fp32, the same for the same seed.
at::Tensor CorrelatedInputs(int64_t tokens, int64_t features, int64_t seed);

/// (2/n) XᵀY in fp64.
at::Tensor Moment(const at::Tensor& x, const at::Tensor& y);

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_QUANTIZE_REFERENCE_H_
