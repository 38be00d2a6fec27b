// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/ends.h"

#include <ATen/ATen.h>

#include "engine/forward/linear.h"
#include "engine/forward/norm.h"

namespace pivot {

at::Tensor EmbedTokens(const ModelConfig& config, const EmbeddingWeights& weights, const at::Tensor& ids,
                       int64_t first) {
  at::Tensor stream = at::embedding(weights.tokens, ids);
  // The factor is rounded to the compute dtype first, as the models were trained.
  if (config.embedding_scale != 1)
    stream.mul_(at::scalar_tensor(config.embedding_scale, stream.options().device(at::kCPU)));
  if (weights.positions.defined()) stream.add_(weights.positions.narrow(0, first, ids.size(1)));
  return stream;
}

at::Tensor HeadInput(const ModelConfig& config, const HeadWeights& weights, const at::Tensor& stream) {
  return ApplyNorm(config, weights.norm, stream);
}

at::Tensor ComputeHead(const ModelConfig& config, const HeadWeights& weights, const at::Tensor& input) {
  at::Tensor logits = ApplyLinear(input, weights.head);
  if (config.logit_scale != 1) logits.mul_(config.logit_scale);
  if (config.logit_soft_cap > 0) logits = logits.div_(config.logit_soft_cap).tanh_().mul(config.logit_soft_cap);
  return logits;
}

}  // namespace pivot
