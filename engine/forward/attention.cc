// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/attention.h"

#include <ATen/ATen.h>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "engine/forward/linear.h"
#include "engine/forward/norm.h"
#include "engine/ops/activation_calls.h"

namespace pivot {
namespace {

/// [batch, length, heads * head_dim] each.
struct Projections {
  at::Tensor query;
  at::Tensor key;
  at::Tensor value;
};

Projections SplitFused(const ModelConfig& config, const at::Tensor& fused) {
  if (config.architecture->fused_heads == FusedHeads::kByHead) {
    const at::Tensor heads = fused.view({fused.size(0), fused.size(1), config.num_heads, 3, config.head_dim});
    const auto part = [&](int64_t i) { return heads.select(3, i).flatten(2); };
    return {part(0), part(1), part(2)};
  }
  const int64_t query = config.num_heads * config.head_dim;
  const int64_t key = config.num_kv_heads * config.head_dim;
  const std::vector<at::Tensor> parts = at::split_with_sizes(fused, {query, key, key}, -1);
  return {parts[0].contiguous(), parts[1].contiguous(), parts[2].contiguous()};
}

Projections Project(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& normalized) {
  if (config.architecture->has_linear(LinearRole::kQueryKeyValue))
    return SplitFused(config, ApplyLinear(normalized, weights.linear(LinearRole::kQueryKeyValue)));
  return {ApplyLinear(normalized, weights.linear(LinearRole::kQuery)),
          ApplyLinear(normalized, weights.linear(LinearRole::kKey)),
          ApplyLinear(normalized, weights.linear(LinearRole::kValue))};
}

void Extend(at::Tensor& cached, at::Tensor& fresh) {
  if (cached.defined()) fresh = at::cat({cached, fresh}, 2);
  cached = fresh;
}

/// Query heads share key/value heads in runs.
at::Tensor RepeatHeads(const at::Tensor& x, int64_t times) {
  return times == 1 ? x : x.repeat_interleave(times, 1, x.size(1) * times);
}

/// Which of the keys each query sees, [queries, keys]; the last query is at the last key. `window` 0: all before it.
at::Tensor VisibleKeys(const at::Tensor& query, const at::Tensor& key, int64_t window) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(query.device());
  const int64_t keys = key.size(2);
  const at::Tensor at_query = at::arange(keys - query.size(2), keys, options).unsqueeze(1);
  const at::Tensor at_key = at::arange(keys, options).unsqueeze(0);
  const at::Tensor visible = at_key <= at_query;
  return window == 0 ? visible : visible.logical_and(at_key > at_query - window);
}

/// softmax(cap * tanh(scale * q kᵀ / cap)) v, a sequence at a time: the products of all are the largest tensor there
/// is.
at::Tensor MixSoftCapped(const ModelConfig& config, const at::Tensor& query, const at::Tensor& key,
                         const at::Tensor& value, const at::Tensor& visible) {
  const int64_t times = query.size(1) / key.size(1);
  const double cap = config.attention_soft_cap;
  std::vector<at::Tensor> mixed;
  for (int64_t i = 0; i < query.size(0); ++i) {
    at::Tensor scores = at::matmul(query[i], RepeatHeads(key.narrow(0, i, 1), times)[0].transpose(1, 2));
    scores = scores.mul_(config.attention_scale).div_(cap).tanh_().mul(cap);  // tanh keeps its result for gradients
    scores.masked_fill_(visible.logical_not(), -std::numeric_limits<double>::infinity());
    const at::Tensor shares = at::softmax(scores, -1, at::kFloat).to(query.scalar_type());
    mixed.push_back(at::matmul(shares, RepeatHeads(value.narrow(0, i, 1), times)[0]));
  }
  return at::stack(mixed);
}

/// softmax(scale * q kᵀ) v, [batch, heads, length, head_dim]. `visible` undefined: all, or those before where causal.
at::Tensor MixValues(const ModelConfig& config, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const at::Tensor& visible) {
  const int64_t times = query.size(1) / key.size(1);
  const bool is_causal = !visible.defined() && query.size(2) > 1;
  const auto mask = visible.defined() ? std::optional<at::Tensor>(visible) : std::nullopt;
  // Flash attention, which ATen has for bf16 on a GPU, reads shared heads where they are.
  if (CanFuse(query) && !visible.defined()) {
    return at::scaled_dot_product_attention(query, key, value, mask, /*dropout_p=*/0.0, is_causal,
                                            config.attention_scale, /*enable_gqa=*/times > 1);
  }
  return at::scaled_dot_product_attention(query, RepeatHeads(key, times), RepeatHeads(value, times), mask,
                                          /*dropout_p=*/0.0, is_causal, config.attention_scale);
}

bool HasCommonScale(const ModelConfig& config) {
  return std::abs(config.attention_scale * std::sqrt(static_cast<double>(config.head_dim)) - 1) < 1e-12;
}

}  // namespace

at::Tensor Attend(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& normalized,
                  const RotaryTable& rotary, KeyValueCache* cache) {
  const Projections projected = Project(config, weights, normalized);
  const at::Tensor query = RotateHeads(ApplyNorm(config, weights.norm(NormRole::kQuery), projected.query), rotary,
                                       weights.attention, config.head_dim);
  at::Tensor key = RotateHeads(ApplyNorm(config, weights.norm(NormRole::kKey), projected.key), rotary,
                               weights.attention, config.head_dim);
  at::Tensor value = SplitHeads(projected.value, config.head_dim);
  if (cache != nullptr) {
    Extend(cache->keys, key);
    Extend(cache->values, value);
  }
  const bool is_cut = weights.attention.slides && config.sliding_window < key.size(2);
  const bool is_capped = config.attention_soft_cap > 0;
  // One token at the end of a cache sees all of it; more of them need a mask, which a causal one is aligned unlike.
  const bool continues = query.size(2) != key.size(2) && query.size(2) > 1;
  at::Tensor visible;
  if (is_cut || is_capped || continues) visible = VisibleKeys(query, key, is_cut ? config.sliding_window : 0);
  if (!visible.defined() && query.size(2) > 1 && HasCommonScale(config) && PrefersOwnAttention(query))
    return AttendCausally(query, key, value);
  const at::Tensor mixed =
      is_capped ? MixSoftCapped(config, query, key, value, visible) : MixValues(config, query, key, value, visible);
  return mixed.transpose(1, 2).reshape({normalized.size(0), normalized.size(1), -1});
}

}  // namespace pivot
