// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/block.h"

#include <ATen/ATen.h>
#include <vector>

#include "engine/forward/experts.h"
#include "engine/forward/linear.h"
#include "engine/forward/norm.h"
#include "engine/ops/activation_calls.h"

namespace pivot {
namespace {

at::Tensor Activate(Activation activation, at::Tensor x) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu_(x);
    case Activation::kGelu:
      return at::gelu_(x);
    case Activation::kGeluTanh:
      return at::gelu_(x, "tanh");
    case Activation::kRelu:
      return at::relu_(x);
  }
  return x;
}

void AddOutput(const ModelConfig& config, const Norm& norm, const Linear& linear, const at::Tensor& x,
               at::Tensor& stream) {
  if (!norm.weight.defined() && config.residual_scale == 1) return AddLinear(stream, x, linear);
  stream.add_(ApplyNorm(config, norm, ApplyLinear(x, linear)), config.residual_scale);
}

}  // namespace

at::Tensor AttentionInput(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& stream) {
  return ApplyNorm(config, weights.norm(NormRole::kAttention), stream);
}

at::Tensor MlpInput(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& stream) {
  return ApplyNorm(config, weights.norm(NormRole::kMlp), stream);
}

at::Tensor MlpHidden(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& input) {
  if (weights.linear(LinearRole::kGateUp).weight.defined()) {
    const std::vector<at::Tensor> halves = ApplyLinear(input, weights.linear(LinearRole::kGateUp)).chunk(2, -1);
    return Activate(config.activation, halves[0].contiguous()).mul_(halves[1]);
  }
  if (!weights.linear(LinearRole::kGate).weight.defined())
    return Activate(config.activation, ApplyLinear(input, weights.linear(LinearRole::kUp)));
  return GatedHidden(config, weights.linear(LinearRole::kGate), weights.linear(LinearRole::kUp), input);
}

at::Tensor GatedHidden(const ModelConfig& config, const Linear& gate, const Linear& up, const at::Tensor& x) {
  const at::Tensor gated = ApplyLinear(x, gate);
  const at::Tensor factor = ApplyLinear(x, up);
  if (CanFuse(gated) && config.activation == Activation::kSilu) return FusedGatedSilu(gated, factor);
  return Activate(config.activation, gated).mul_(factor);
}

void AddAttention(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& heads, at::Tensor& stream) {
  AddOutput(config, weights.norm(NormRole::kAttentionOutput), weights.linear(LinearRole::kAttentionOutput), heads,
            stream);
}

void AddMlp(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& hidden, at::Tensor& stream) {
  AddOutput(config, weights.norm(NormRole::kMlpOutput), weights.linear(LinearRole::kDown), hidden, stream);
}

bool JoinsStream(const BlockWeights& weights, LinearRole role) {
  if (role == LinearRole::kAttentionOutput) return !weights.norm(NormRole::kAttentionOutput).weight.defined();
  return role == LinearRole::kDown && !weights.norm(NormRole::kMlpOutput).weight.defined();
}

at::Tensor ForwardBlock(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& x,
                        const RotaryTable& rotary, KeyValueCache* cache) {
  at::Tensor stream = x.contiguous().clone();
  // Gradients need what was read, and sums go into the stream in place.
  const auto read = [&stream] { return stream.requires_grad() ? stream.clone() : stream; };
  const at::Tensor heads = Attend(config, weights, AttentionInput(config, weights, read()), rotary, cache);
  at::Tensor mlp_input;
  if (config.order == BlockOrder::kParallel) mlp_input = MlpInput(config, weights, read());
  AddAttention(config, weights, heads, stream);
  if (config.order == BlockOrder::kSequential) mlp_input = MlpInput(config, weights, read());
  if (weights.experts.empty()) {
    AddMlp(config, weights, MlpHidden(config, weights, mlp_input), stream);
  } else {
    AddExperts(config, weights, mlp_input, stream);
  }
  return stream;
}

}  // namespace pivot
