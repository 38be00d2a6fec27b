// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_KERNEL_CALLS_H_
#define PIVOT_ENGINE_OPS_KERNEL_CALLS_H_

// Tensors in, kernels run where the tensors are, tensors out.

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

struct PanelResult {
  at::Tensor codes;   // [rows, columns] i8
  at::Tensor errors;  // [rows, columns] f32
};

/// One panel of GPTQ (kernels/gptq_panel.h). weight [rows, columns] f32, a copy that may be destroyed; factor [columns,
/// columns] f32 with contiguous rows; scale [rows, columns] f32.
absl::StatusOr<PanelResult> QuantizePanel(const at::Tensor& weight, const at::Tensor& factor, const at::Tensor& scale,
                                          int bits);

/// Scales [rows, columns/group_size] f32, exact in bf16 (kernels/clip_search.h). weight [rows, columns] f32; importance
/// [columns] f32.
absl::StatusOr<at::Tensor> SearchScales(const at::Tensor& weight, const at::Tensor& importance,
                                        const WeightScheme& scheme, ClipSearch search);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_KERNEL_CALLS_H_
