// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_FLOAT_GRID_H_
#define PIVOT_ENGINE_QUANTIZE_FLOAT_GRID_H_

// Scales of layers with floating-point codes, and rounding to such codes.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

#include "engine/ops/kernel_calls.h"

namespace pivot {

/// The grid of one or several stacked layers, which then share their global scale, as serving runtimes fuse them.
///
/// Equation: the largest magnitude m of a group becomes the largest number L of the type: scale = m / L, rounded to its
///           storage type. With a search other scales, from 0.7 to 1.5 times that one, are tried as well (of powers of
///           two: its neighbours), and the one with the least sum of importance * (w - s q)^2 is taken, the earlier of
///           equals. kNvfp4: global_scale = 448 * 6 / max|w|, scales are E4M3 and those of w * global_scale.
/// Source:   compressed-tensors 0.20 (defaults); Four Over Six, arXiv:2512.02010, for the scale that maps m to 4.
/// Shapes:   weight [rows, columns], importance [columns]; scale [rows, columns/group_size].
/// Dtypes:   fp32. A scale is never 0; of kFloat8 it is exact in bf16 and fp16.
/// Errors:   kFailedPrecondition (reason NUMERICAL_FAILURE) when a scale is not finite.
/// Cost:     O(rows*columns) for each of the ten scales that are tried, 16 bytes a weight.
absl::StatusOr<QuantizationGrid> SearchFloatGrid(const at::Tensor& weight, const at::Tensor& importance,
                                                 const WeightScheme& scheme, ClipSearch search);

/// Round to nearest. weight [rows, columns] fp32; result [rows, columns] int8, the bits of each code.
absl::StatusOr<at::Tensor> RoundToFloats(const at::Tensor& weight, const QuantizationGrid& grid, CodeType type);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_FLOAT_GRID_H_
