// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_GPTQ_H_
#define PIVOT_ENGINE_QUANTIZE_GPTQ_H_

// GPTQ with static groups: codes for given scales, column by column, with error feedback.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "absl/status/statusor.h"

#include "engine/ops/kernel_calls.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// How the Hessian was made positive definite and in which order columns are visited.
struct HessianFactor {
  at::Tensor upper;     // [in, in] fp32: U with UᵀU = inv(H + damp I), rows and columns in visiting order
  at::Tensor order;     // [in] int64: column visited at each step
  at::Tensor dead;      // [in] bool: columns whose input was always 0
  double percdamp = 0;  // as it was used in the end
  int64_t dead_columns = 0;
};

/// H with a prior of its own diagonal's shape, which keeps codes from fitting the calibration text too closely.
///
/// Equation: H + strength * diag(sqrt(H[i,i] * mean(diag H))).
/// Source:   JointQ of OneComp (its diagonal regularization with exponent 1/2). Differs: meant for GPTQ and the search
///           of scales as well; docs/quality.md has what it does to text that nobody calibrated on.
/// Shapes:   hessian [in, in]; the result is a copy. A dead column stays 0. May throw what ATen throws.
at::Tensor RegularizeHessian(const at::Tensor& hessian, double strength);

/// What a rounding error in each column costs when GPTQ's later columns make up for it as well as they can:
/// 1 / inv(H + damp I)[i,i], [in] fp32 (optimal brain quantization, arXiv:2208.11580, equation 2). May throw what ATen
/// throws.
at::Tensor ConditionalImportance(const HessianFactor& factor);

/// Factorizes the inverse of a damped Hessian.
///
/// Equation: damp = percdamp * mean(diag H); U = upper Cholesky factor of inv(H + damp I).
/// Source:   GPTQ, arXiv:2210.17323, section 3, steps 2 and 3.  Differs: dead columns (H[i,i] == 0) get H[i,i] = 1;
/// when H + damp I is
///           not positive definite percdamp is multiplied by 10, at most five times, and what was used is returned.
/// Shapes:   hessian [in, in], symmetric.
/// Dtypes:   hessian fp32; factorized in fp64, result fp32.
/// Errors:   kFailedPrecondition (reason NUMERICAL_FAILURE) when it holds non-finite values or no damping helps.
/// Cost:     O(in^3) time, 40*in^2 bytes.
absl::StatusOr<HessianFactor> FactorizeHessian(const at::Tensor& hessian, double percdamp, ActOrder act_order);

/// Quantizes one or several stacked linear layers that read the same input.
///
/// Equation: for each column i in order: q = nearest number of the scheme's codes to (w_i + s z) / s;
///           e = (w_i - s (q - z)) / U[i,i];  w_j -= e U[i,j] for every later column j.
/// Source:   GPTQ, arXiv:2210.17323, Algorithm 1.  Differs: scales are fixed before the loop and belong to the column's
/// own group, so
///           that the order of visiting leaves the file format alone; they are the bf16 values of the file.
///           s z is added once before the loop: the updates are sums, so what follows is the symmetric loop.
/// Shapes:   weight [out, in]; grid.scale, grid.zero_point [out, in/group_size]; result [out, in].
/// Dtypes:   weight and scale fp32, zero points and result int8 (of floating-point codes their bits).
/// Errors:   kInvalidArgument if shapes disagree.
/// Cost:     O(out*in^2) time; 12*out*in bytes.
/// Threads:  pure.  Bit-equal for equal inputs on one device.
absl::StatusOr<at::Tensor> QuantizeGptq(const at::Tensor& weight, const QuantizationGrid& grid,
                                        const HessianFactor& factor, const WeightScheme& scheme);

/// Round to nearest. Shapes and dtypes as above.
absl::StatusOr<at::Tensor> QuantizeRtn(const at::Tensor& weight, const QuantizationGrid& grid,
                                       const WeightScheme& scheme);

/// tr((W-Q) H (W-Q)ᵀ) / tr(W H Wᵀ), 0 when the denominator is 0. All fp32. May throw what ATen throws.
struct ProxyLoss {
  double loss = 0;    // the numerator
  double energy = 0;  // the denominator
  double relative() const { return energy > 0 ? loss / energy : 0; }
};
ProxyLoss MeasureProxyLoss(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& hessian);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_GPTQ_H_
