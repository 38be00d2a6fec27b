// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_TRIANGLES_H_
#define PIVOT_ENGINE_OPS_TRIANGLES_H_

// Lower triangular matrices in terms of large products, which run at the rate of the device where substitution does
// not. Each may throw what ATen throws.

#include <ATen/core/Tensor.h>

namespace pivot {

/// The inverse of a lower triangular matrix [n, n], into its place. What is above the diagonal must be zero.
void InvertLower(const at::Tensor& lower);

/// Solves X A = B for A = L Lᵀ, with B into X's place.
/// Shapes: lower [n, n] = L, which is used up; rows [rows, n], contiguous.
/// Dtypes: lower fp64, whose diagonal blocks are inverted in fp64; rows fp32, products with the digits of fp32
///         (tf32_parts.h).
void SolveRows(const at::Tensor& lower, const at::Tensor& rows);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_TRIANGLES_H_
