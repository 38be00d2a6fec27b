// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_REFINE_H_
#define PIVOT_ENGINE_QUANTIZE_REFINE_H_

// Codes and scales improved together, from a start that GPTQ made.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "absl/status/statusor.h"

#include "engine/ops/kernel_calls.h"

namespace pivot {

struct Refinement {
  int64_t sweeps = 4;
  int scale_digits = 8;  // significant bits that a scale may have, 1 to 8
};

struct RefinedCodes {
  at::Tensor codes;  // [out, in] int8
  QuantizationGrid grid;
};

/// Minimises the loss of every row over its codes and scales, coordinate by coordinate.
///
/// Equation: loss = (w - v) H (w - v)ᵀ, v = s (q - z). A sweep takes the groups of columns in order: first the group's
///           scale by least squares, s' = s + (a g_t) / (a H_tt a), a = q - z, g = (w - v) H, taken in its storage type
///           and only when the loss falls; then its codes one by one (kernels/refine_group.h). Rows that end no better
///           than they began stay as they were.
/// Source:   JointQ of OneComp for codes and scales in turn on the Gram matrix; QuantEase, arXiv:2309.01885, for the
///           descent over codes. Differs: starts from GPTQ, moves codes cyclically, keeps zero points.
/// Shapes:   weight, codes [out, in]; hessian [in, in], positive definite; grid.scale [out, in/group_size].
/// Dtypes:   weight, hessian, scale fp32; codes int8. Integer schemes only.
/// Errors:   kInvalidArgument if shapes disagree.
/// Numbers:  on a GPU, products that move gradients round their factors to TF32; the losses that decide whether a row
/// is
///           taken are in fp32.
/// Cost:     O(out*in^2) time a sweep, about half of GPTQ's; 20*out*in bytes.
/// Threads:  pure.  Bit-equal for equal inputs on one device.
absl::StatusOr<RefinedCodes> RefineCodes(const at::Tensor& weight, const at::Tensor& codes,
                                         const QuantizationGrid& grid, const at::Tensor& hessian,
                                         const WeightScheme& scheme, const Refinement& refinement);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_REFINE_H_
