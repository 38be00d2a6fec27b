// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_ENDS_H_
#define PIVOT_ENGINE_FORWARD_ENDS_H_

// What is before and behind the decoder blocks: tokens to the residual stream, the stream to logits. Each function may
// throw what ATen throws.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "engine/forward/weights.h"

namespace pivot {

/// ids [batch, length] int64 on the weights' device, the first of each sequence at position `first`; result [batch,
/// length, hidden].
at::Tensor EmbedTokens(const ModelConfig& config, const EmbeddingWeights& weights, const at::Tensor& ids,
                       int64_t first);

/// stream [..., length, hidden] behind the last block -> [..., length, hidden], what the head reads.
at::Tensor HeadInput(const ModelConfig& config, const HeadWeights& weights, const at::Tensor& stream);

/// HeadInput's result -> logits [..., length, vocab].
at::Tensor ComputeHead(const ModelConfig& config, const HeadWeights& weights, const at::Tensor& input);

/// Positions whose logits are best in memory at once: few enough on a CPU that the allocator keeps what they take.
inline int64_t LogitRows(at::Device device) { return device.is_cpu() ? 128 : 512; }

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_ENDS_H_
