// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_BLOCK_H_
#define PIVOT_ENGINE_FORWARD_BLOCK_H_

// The parts of a decoder block as expressions over tensors. Each may throw what ATen throws. x is [batch, length,
// hidden] in the compute dtype throughout; norms are computed in fp32.

#include <ATen/core/Tensor.h>

#include "engine/forward/attention.h"
#include "engine/forward/weights.h"

namespace pivot {

/// What the attention, or the MLP, reads of the residual stream.
at::Tensor AttentionInput(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& stream);
at::Tensor MlpInput(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& stream);

/// act(gate(x)) * up(x), or act(up(x)) in families without a gate, from the MLP's input: [batch, length, intermediate].
at::Tensor MlpHidden(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& input);

/// act(gate(x)) * up(x) of these two linears.
at::Tensor GatedHidden(const ModelConfig& config, const Linear& gate, const Linear& up, const at::Tensor& x);

/// Adds what the attention's output projection, or the MLP's down projection, makes of x to the stream, in place.
void AddAttention(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& heads, at::Tensor& stream);
void AddMlp(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& hidden, at::Tensor& stream);

/// Whether the residual stream takes the projection's own result, up to ModelConfig::residual_scale.
bool JoinsStream(const BlockWeights& weights, LinearRole role);

/// The whole block.
at::Tensor ForwardBlock(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& x,
                        const RotaryTable& rotary, KeyValueCache* cache);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_BLOCK_H_
