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
/// columns] f32 with contiguous rows; scale [rows, columns] f32. Of the scheme, bits and type of codes count.
absl::StatusOr<PanelResult> QuantizePanel(const at::Tensor& weight, const at::Tensor& factor, const at::Tensor& scale,
                                          const WeightScheme& scheme);

/// What codes mean: w = scale * (q - zero_point).
struct QuantizationGrid {
  at::Tensor scale;       // [rows, columns/group_size] f32, as the file holds it: of integers exact in bf16 and in fp16
  at::Tensor zero_point;  // [rows, columns/group_size] i8; undefined: 0 everywhere
  at::Tensor global_scale;  // [1] f32, of kNvfp4: what weights were multiplied by before they got their scales
};

/// The factor of codes: scale, or scale / global_scale. May throw what ATen throws.
at::Tensor EffectiveScale(const QuantizationGrid& grid);

/// The grid of integer codes of a weight [rows, columns] f32 with importance [columns] f32: kernels/clip_search.h, for
/// asymmetric schemes kernels/asymmetric_clip.h, which knows squared errors only. Scales below fp16's normal range are
/// rounded to its step, so that files with either type of scale hold the same weights.
absl::StatusOr<QuantizationGrid> SearchGrid(const at::Tensor& weight, const at::Tensor& importance,
                                            const WeightScheme& scheme, ClipSearch search);

/// Whether CausalAttention is there and is faster than ATen's: a CPU with AVX512_BF16, whose products ATen's attention
/// makes in fp32, and without AMX, which it uses.
bool PrefersOwnAttention(const at::Tensor& query);

/// softmax(q kᵀ / sqrt(head_dim)) v, causal (kernels/causal_attention.h). query [batch, heads, length, head_dim] bf16
/// on the CPU; key and value [batch, kv_heads, length, head_dim]; result [batch, length, heads * head_dim] bf16. May
/// throw what ATen throws.
at::Tensor AttendCausally(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value);

/// For each row of logits [rows, vocab] fp32 or bf16 on the CPU (kernels/score_rows.h), [rows] each.
struct RowScores {
  at::Tensor model_nll;      // f32
  at::Tensor reference_nll;  // f32; undefined, like those below, without reference logits
  at::Tensor kl;             // f32
  at::Tensor has_same_top;   // u8
};
/// `reference` may be undefined; targets [rows] i64. May throw what ATen throws.
RowScores ScoreRows(const at::Tensor& model, const at::Tensor& reference, const at::Tensor& targets);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_KERNEL_CALLS_H_
