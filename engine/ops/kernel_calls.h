// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_KERNEL_CALLS_H_
#define PIVOT_ENGINE_OPS_KERNEL_CALLS_H_

// Kernels over weights: tensors in, kernels run where the tensors are, tensors out.

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "engine/plan/compress_spec.h"
#include "kernels/clip_search.h"

namespace pivot {

/// codes [rows, columns] i8, q in [-2^(bits-1), 2^(bits-1) - 1] -> words [rows, ceil(columns*bits/32)] i32 on the same
/// device: the fields q + 2^(bits-1), packed as kernels/pack.h says.
absl::StatusOr<at::Tensor> PackCodes(const at::Tensor& codes, int bits);

/// The reverse. words i32 on the CPU; result [rows, columns] i8.
absl::StatusOr<at::Tensor> UnpackCodes(const at::Tensor& words, int64_t columns, int bits);

/// Parts of matrices, each with contiguous rows.
struct PanelTensors {
  at::Tensor weight;  // [rows, columns] f32
  at::Tensor factor;  // [columns, columns] f32
  at::Tensor scale;   // [rows, groups] f32
  at::Tensor group;   // [columns] i32: the group of each column
  at::Tensor codes;   // [rows, columns] i8, written
  at::Tensor errors;  // [rows, columns] f32, written
};
/// One panel of GPTQ (kernels/gptq_panel.h). Of the scheme, bits and type of codes count.
absl::Status QuantizePanel(const PanelTensors& panel, const WeightScheme& scheme);

/// What codes mean: w = scale * (q - zero_point).
struct QuantizationGrid {
  at::Tensor scale;       // [rows, columns/group_size] f32, as the file holds it: of integers exact in bf16 and in fp16
  at::Tensor zero_point;  // [rows, columns/group_size] i8; undefined: 0 everywhere
  at::Tensor global_scale;  // [1] f32, of kNvfp4: what weights were multiplied by before they got their scales
};

/// The factor of codes: scale, or scale / global_scale. May throw what ATen throws.
at::Tensor EffectiveScale(const QuantizationGrid& grid);

/// Steps of a search, of one per cent each, as GPTQ's published search has them.
inline constexpr int kClipSteps = 80;

struct GridSearch {
  ClipSearch clip = ClipSearch::kConditional;
  ScaleSigns signs = ScaleSigns::kPositive;  // of symmetric schemes
};

/// The grid of integer codes of a weight [rows, columns] f32 with importance [columns] f32: kernels/clip_search.h, for
/// asymmetric schemes kernels/asymmetric_clip.h. Scales below fp16's normal range are
/// rounded to its step, so that files with either type of scale hold the same weights.
absl::StatusOr<QuantizationGrid> SearchGrid(const at::Tensor& weight, const at::Tensor& importance,
                                            const WeightScheme& scheme, const GridSearch& search);

/// Scales rounded to what files hold: bf16 values that are exact in fp16 as well, never 0, with `significant_bits` (1
/// to 8). [rows, groups] f32. May throw what ATen throws.
at::Tensor StorableScales(const at::Tensor& scale, int significant_bits);

/// What kernels/refine_group.h reads and writes, each wherever it lies in a larger tensor with contiguous rows.
struct GroupTensors {
  at::Tensor hessian;     // [columns, columns] f32
  at::Tensor gradient;    // [rows, columns] f32
  at::Tensor scale;       // [rows] f32, in and out
  at::Tensor zero_point;  // [rows] i8; undefined: 0
  at::Tensor codes;       // [rows, columns] i8, in and out
  at::Tensor change;      // [rows, columns] f32, out
};

/// Moves the scale of a group, unless `scale_digits` is 0, and then its codes.
absl::Status RefineGroupCodes(const GroupTensors& tensors, int bits, int scale_digits);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_KERNEL_CALLS_H_
