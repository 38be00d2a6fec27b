// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/rotary.h"

#include <ATen/ATen.h>
#include <utility>
#include <vector>

#include "engine/ops/activation_calls.h"

namespace pivot {
namespace {

/// Pairs element i with element i + dim/2.
at::Tensor RotateHalves(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return at::cat({-x.slice(-1, half), x.slice(-1, 0, half)}, -1);
}

at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  const int64_t rotated = cosine.size(-1);
  if (rotated == x.size(-1)) return x * cosine + RotateHalves(x) * sine;
  const at::Tensor head = x.slice(-1, 0, rotated);
  return at::cat({head * cosine + RotateHalves(head) * sine, x.slice(-1, rotated)}, -1);
}

std::pair<at::Tensor, at::Tensor> CosineAndSine(const Rope& rope, int64_t length, at::ScalarType dtype,
                                                at::Device device) {
  const std::vector<double> frequencies = rope.Frequencies(length);
  const at::Tensor per_pair = at::tensor(frequencies, at::kDouble).to(device, at::kFloat);
  const at::Tensor positions = at::arange(length, at::TensorOptions().dtype(at::kFloat).device(device));
  const at::Tensor angles = at::outer(positions, per_pair);
  const at::Tensor both_halves = at::cat({angles, angles}, -1);
  return {both_halves.cos().mul_(rope.attention_factor).to(dtype),
          both_halves.sin().mul_(rope.attention_factor).to(dtype)};
}

bool IsSame(const Rope& a, const Rope& b) {
  return a.kind == b.kind && a.theta == b.theta && a.factor == b.factor && a.rotary_dim == b.rotary_dim;
}

}  // namespace

RotaryTable RotaryTable::Range(int64_t first, int64_t length) const {
  const auto part = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, first, length) : x; };
  return {part(cosine), part(sine), part(sliding_cosine), part(sliding_sine)};
}

RotaryTable MakeRotaryTable(const ModelConfig& config, int64_t length, at::ScalarType dtype, at::Device device) {
  RotaryTable table;
  if (!config.architecture->position_embedding.empty()) return table;
  std::tie(table.cosine, table.sine) = CosineAndSine(config.rope, length, dtype, device);
  if (IsSame(config.rope, config.sliding_rope)) return table;
  std::tie(table.sliding_cosine, table.sliding_sine) = CosineAndSine(config.sliding_rope, length, dtype, device);
  return table;
}

at::Tensor SplitHeads(const at::Tensor& x, int64_t head_dim) {
  return x.view({x.size(0), x.size(1), -1, head_dim}).transpose(1, 2);
}

at::Tensor RotateHeads(const at::Tensor& x, const RotaryTable& rotary, BlockAttention attention, int64_t head_dim) {
  if (!attention.rotates) return SplitHeads(x, head_dim);
  const bool is_sliding = attention.slides && rotary.sliding_cosine.defined();
  const at::Tensor& cosine = is_sliding ? rotary.sliding_cosine : rotary.cosine;
  const at::Tensor& sine = is_sliding ? rotary.sliding_sine : rotary.sine;
  if (CanFuse(x) && cosine.size(-1) == head_dim) return FusedRotary(x, cosine, sine, head_dim);
  return Rotate(SplitHeads(x, head_dim), cosine, sine);
}

}  // namespace pivot
