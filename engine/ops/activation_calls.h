// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_ACTIVATION_CALLS_H_
#define PIVOT_ENGINE_OPS_ACTIVATION_CALLS_H_

// Kernels over activations on the CPU, where they are faster than ATen's operations: tensors in, tensors out.

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
