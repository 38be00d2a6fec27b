// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_ATTENTION_H_
#define PIVOT_ENGINE_FORWARD_ATTENTION_H_

// The attention of a decoder block, between its linear layers. May throw what ATen throws.

#include <ATen/core/Tensor.h>

#include "engine/forward/rotary.h"
#include "engine/forward/weights.h"

namespace pivot {

/// Keys and values of the tokens seen so far, [batch, kv_heads, length, head_dim]; undefined at first.
struct KeyValueCache {
  at::Tensor keys;
  at::Tensor values;
};

/// Causal attention from the normalized input [batch, length, hidden] up to the heads' outputs [batch, length,
/// heads*head_dim], before the output projection. With a cache the tokens follow those in it, and are added to it.
at::Tensor Attend(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& normalized,
                  const RotaryTable& rotary, KeyValueCache* cache);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_ATTENTION_H_
