// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/block.h"

#include <ATen/ATen.h>
#include <optional>

#include "engine/ops/activation_calls.h"

namespace pivot {
namespace {

/// Pairs element i with element i + head_dim/2.
at::Tensor RotateHalves(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return at::cat({-x.slice(-1, half), x.slice(-1, 0, half)}, -1);
}

at::Tensor Rotate(const at::Tensor& x, const RotaryTable& rotary) {
  return x * rotary.cosine + RotateHalves(x) * rotary.sine;
}

/// [batch, length, heads*head_dim] -> [batch, heads, length, head_dim].
at::Tensor SplitHeads(const at::Tensor& x, int64_t head_dim) {
  return x.view({x.size(0), x.size(1), -1, head_dim}).transpose(1, 2);
}

/// [batch, length, heads*head_dim] -> [batch, heads, length, head_dim], rotated.
at::Tensor RotateHeads(const at::Tensor& x, const RotaryTable& rotary, int64_t head_dim) {
  if (CanFuse(x)) return FusedRotary(x, rotary.cosine, rotary.sine, head_dim);
  return Rotate(SplitHeads(x, head_dim), rotary);
}

void Extend(at::Tensor& cached, at::Tensor& fresh) {
  if (cached.defined()) fresh = at::cat({cached, fresh}, 2);
  cached = fresh;
}

/// Query heads share key/value heads in runs.
at::Tensor RepeatHeads(const at::Tensor& x, int64_t times) {
  return times == 1 ? x : x.repeat_interleave(times, 1, x.size(1) * times);
}

/// softmax(q kᵀ / sqrt(head_dim)) v, [batch, heads, length, head_dim].
at::Tensor MixValues(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, bool is_causal) {
  const int64_t times = query.size(1) / key.size(1);
  // Flash attention, which ATen has for bf16 on a GPU, reads shared heads where they are.
  if (CanFuse(query)) {
    return at::scaled_dot_product_attention(query, key, value, /*attn_mask=*/{}, /*dropout_p=*/0.0, is_causal,
                                            /*scale=*/std::nullopt, /*enable_gqa=*/times > 1);
  }
  return at::scaled_dot_product_attention(query, RepeatHeads(key, times), RepeatHeads(value, times),
                                          /*attn_mask=*/{}, /*dropout_p=*/0.0, is_causal);
}

}  // namespace

RotaryTable RotaryTable::Range(int64_t first, int64_t length) const {
  return {.cosine = cosine.narrow(0, first, length), .sine = sine.narrow(0, first, length)};
}

RotaryTable MakeRotaryTable(const ModelConfig& config, int64_t length, at::ScalarType dtype, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor exponents = at::arange(0, config.head_dim, 2, options) / static_cast<double>(config.head_dim);
  const at::Tensor frequencies = at::pow(at::scalar_tensor(config.rope_theta, options), exponents).reciprocal();
  const at::Tensor angles = at::outer(at::arange(length, options), frequencies);
  const at::Tensor both_halves = at::cat({angles, angles}, -1);
  return {.cosine = both_halves.cos().to(dtype), .sine = both_halves.sin().to(dtype)};
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (CanFuse(x)) return FusedRmsNorm(x, weight, epsilon);
  const at::Tensor exact = x.to(at::kFloat);
  const at::Tensor inverse_rms = at::mean(exact.square(), {-1}, /*keepdim=*/true).add_(epsilon).rsqrt_();
  return (exact * inverse_rms).to(x.scalar_type()).mul_(weight);
}

at::Tensor ApplyLinear(const at::Tensor& x, const Linear& linear) {
  return linear.bias.defined() ? at::linear(x, linear.weight, linear.bias) : at::linear(x, linear.weight);
}

void AddLinear(at::Tensor& stream, const at::Tensor& x, const Linear& linear) {
  if (!stream.is_cuda() || linear.bias.defined()) {
    stream.add_(ApplyLinear(x, linear));
    return;
  }
  stream.view({-1, stream.size(-1)}).addmm_(x.reshape({-1, x.size(-1)}), linear.weight.t());
}

at::Tensor Attend(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& normalized,
                  const RotaryTable& rotary, KeyValueCache* cache) {
  const at::Tensor query =
      RotateHeads(ApplyLinear(normalized, weights.linear(LinearRole::kQuery)), rotary, config.head_dim);
  at::Tensor key = RotateHeads(ApplyLinear(normalized, weights.linear(LinearRole::kKey)), rotary, config.head_dim);
  at::Tensor value = SplitHeads(ApplyLinear(normalized, weights.linear(LinearRole::kValue)), config.head_dim);
  if (cache != nullptr) {
    Extend(cache->keys, key);
    Extend(cache->values, value);
  }
  // One token at the end of a cache sees all of it; a causal mask would be aligned to the cache's beginning.
  const bool is_causal = query.size(2) == key.size(2) && query.size(2) > 1;
  if (is_causal && PrefersOwnAttention(query)) return AttendCausally(query, key, value);
  const at::Tensor mixed = MixValues(query, key, value, is_causal);
  return mixed.transpose(1, 2).reshape({normalized.size(0), normalized.size(1), -1});
}

at::Tensor MlpHidden(const BlockWeights& weights, const at::Tensor& normalized) {
  at::Tensor gate = ApplyLinear(normalized, weights.linear(LinearRole::kGate));
  if (CanFuse(gate)) return FusedGatedSilu(gate, ApplyLinear(normalized, weights.linear(LinearRole::kUp)));
  gate = at::silu(gate);
  return gate.mul_(ApplyLinear(normalized, weights.linear(LinearRole::kUp)));
}

at::Tensor ForwardBlock(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& x,
                        const RotaryTable& rotary, KeyValueCache* cache) {
  const at::Tensor heads =
      Attend(config, weights, RmsNorm(x, weights.attention_norm, config.rms_norm_eps), rotary, cache);
  at::Tensor stream = x.contiguous().clone();
  AddLinear(stream, heads, weights.linear(LinearRole::kAttentionOutput));
  AddLinear(stream, MlpHidden(weights, RmsNorm(stream, weights.mlp_norm, config.rms_norm_eps)),
            weights.linear(LinearRole::kDown));
  return stream;
}

}  // namespace pivot
