// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_BLOCK_H_
#define PIVOT_ENGINE_FORWARD_BLOCK_H_

// The parts of a decoder block as expressions over tensors. Each may throw what ATen throws. x is [batch, length,
// hidden] in the compute dtype throughout; norms are computed in fp32.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "engine/forward/weights.h"

namespace pivot {

/// Cosines and sines of the rotary embedding, [length, head_dim] in the compute dtype.
struct RotaryTable {
  at::Tensor cosine;
  at::Tensor sine;

  /// The part for positions [first, first + length).
  RotaryTable Range(int64_t first, int64_t length) const;
};

/// For positions 0 to length - 1. Source: RoFormer, arXiv:2104.09864, in the half-split form of the Hugging Face
/// models.
RotaryTable MakeRotaryTable(const ModelConfig& config, int64_t length, at::ScalarType dtype, at::Device device);

/// x / rms(x) * weight.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

at::Tensor ApplyLinear(const at::Tensor& x, const Linear& linear);

/// stream += linear(x), in place. On a GPU one product, whose sum is rounded once.
void AddLinear(at::Tensor& stream, const at::Tensor& x, const Linear& linear);

/// Keys and values of the tokens seen so far, [batch, kv_heads, length, head_dim]; undefined at first.
struct KeyValueCache {
  at::Tensor keys;
  at::Tensor values;
};

/// Causal attention from the normalized input up to the heads' outputs [batch, length, heads*head_dim], before the
/// output projection. With a cache the tokens follow those in it, and are added to it.
at::Tensor Attend(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& normalized,
                  const RotaryTable& rotary, KeyValueCache* cache);

/// act(gate(x)) * up(x) from the normalized input: [batch, length, intermediate].
at::Tensor MlpHidden(const BlockWeights& weights, const at::Tensor& normalized);

/// The whole block.
at::Tensor ForwardBlock(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& x,
                        const RotaryTable& rotary, KeyValueCache* cache);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_BLOCK_H_
