// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_ACTIVATION_CALLS_H_
#define PIVOT_ENGINE_OPS_ACTIVATION_CALLS_H_

// Kernels over activations, on each device where they are faster than ATen's operations: tensors in, tensors out.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "kernels/token_products.h"

namespace pivot {

/// Whether CausalAttention is there and is faster than ATen's: a CPU with AVX512_BF16, whose products ATen's attention
/// makes in fp32, and without AMX, which it uses.
bool PrefersOwnAttention(const at::Tensor& query);

/// softmax(q kᵀ / sqrt(head_dim)) v, causal (kernels/causal_attention.h). query [batch, heads, length, head_dim] bf16
/// on the CPU; key and value [batch, kv_heads, length, head_dim]; result [batch, length, heads * head_dim] bf16. May
/// throw what ATen throws.
at::Tensor AttendCausally(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value);

/// Whether the Fused functions take this tensor: bf16 on a GPU. Each stands for a chain of ATen's operations, in one
/// pass over memory and with the same roundings. They may throw what ATen throws, also when a launch fails.
bool CanFuse(const at::Tensor& x);

/// x / rms(x) * weight (kernels/rms_norm.h). x [..., columns], weight [columns], both bf16; result as x.
at::Tensor FusedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// silu(gate) * up (kernels/gated_silu.h), in gate's memory when that is contiguous; both of one shape, bf16.
at::Tensor FusedGatedSilu(const at::Tensor& gate, const at::Tensor& up);

/// The rotary embedding (kernels/rotary.h) of x [batch, length, heads * head_dim] by cosine and sine [length,
/// head_dim], all bf16; result [batch, heads, length, head_dim], a view in which a token's heads lie together.
at::Tensor FusedRotary(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine, int64_t head_dim);

/// Whether PackedTokens can be made of this tensor: bf16 on a CPU with AVX512_BF16.
bool CanPackTokens(const at::Tensor& tokens);

/// Activations laid out for AddTokenProducts (kernels/token_products.h).
struct PackedTokens {
  int64_t tokens = 0;
  int64_t features = 0;
  at::Tensor data;
};
/// tokens [tokens, features] bf16. May throw what ATen throws.
PackedTokens PackTokenRows(const at::Tensor& tokens);

/// sum [left features, right features] f32, contiguous: += leftᵀ right. With ProductPart::kLower what is above the
/// diagonal is undefined. May throw what ATen throws.
void AddTokenProducts(const PackedTokens& left, const PackedTokens& right, ProductPart part, const at::Tensor& sum);

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

#endif  // PIVOT_ENGINE_OPS_ACTIVATION_CALLS_H_
