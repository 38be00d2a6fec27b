// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_ROTARY_H_
#define PIVOT_ENGINE_FORWARD_ROTARY_H_

// The rotation of queries and keys by their positions. Each function may throw what ATen throws.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "engine/model/model_config.h"

namespace pivot {

/// Cosines and sines of the rotary embedding, [length, rotary_dim] in the compute dtype. Undefined for models without.
struct RotaryTable {
  at::Tensor cosine;
  at::Tensor sine;
  at::Tensor sliding_cosine;  // of blocks that slide, where theirs are others
  at::Tensor sliding_sine;

  /// The part for positions [first, first + length).
  RotaryTable Range(int64_t first, int64_t length) const;
};

/// For positions 0 to length - 1 of texts of `length` tokens. Source: RoFormer, arXiv:2104.09864, in the half-split
/// form of the Hugging Face models; engine/model/rope.h.
RotaryTable MakeRotaryTable(const ModelConfig& config, int64_t length, at::ScalarType dtype, at::Device device);

/// [batch, length, heads*head_dim] -> [batch, heads, length, head_dim], the leading rotary_dim elements of each head
/// rotated where the block rotates.
at::Tensor RotateHeads(const at::Tensor& x, const RotaryTable& rotary, BlockAttention attention, int64_t head_dim);

/// The same shape, nothing rotated.
at::Tensor SplitHeads(const at::Tensor& x, int64_t head_dim);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_ROTARY_H_
