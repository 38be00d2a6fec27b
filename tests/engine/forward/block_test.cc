// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/block.h"

#include <ATen/ATen.h>
#include <cmath>

#include "gtest/gtest.h"

#include "tests/engine/support/random_block.h"

namespace pivot {
namespace {

/// One block over one window, token by token and head by head, in fp64: the definition without any batching.
at::Tensor ForwardByDefinition(const ModelConfig& config, const BlockWeights& block, const at::Tensor& input) {
  const auto weight = [&block](LinearRole role) { return block.linear(role).weight.to(at::kDouble); };
  const auto norm = [&config](const at::Tensor& x, const at::Tensor& scale) {
    return x / (x.square().mean(-1, true) + config.norm_eps).sqrt() * scale.to(at::kDouble);
  };
  const auto rotate = [&config](const at::Tensor& x, int64_t position) {
    at::Tensor rotated = x.clone();
    const int64_t half = config.head_dim / 2;
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(position) *
          std::pow(config.rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
      rotated[i] = x[i] * std::cos(angle) - x[i + half] * std::sin(angle);
      rotated[i + half] = x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
    }
    return rotated;
  };
  const at::Tensor x = input.to(at::kDouble);  // [length, hidden]
  const at::Tensor h = norm(x, block.norm(NormRole::kAttention).weight);
  const int64_t length = x.size(0);
  const auto heads = [&](LinearRole role) { return at::mm(h, weight(role).t()).view({length, -1, config.head_dim}); };
  const at::Tensor q = heads(LinearRole::kQuery), k = heads(LinearRole::kKey), v = heads(LinearRole::kValue);
  at::Tensor mixed = at::zeros({length, config.num_heads, config.head_dim}, at::kDouble);
  for (int64_t head = 0; head < config.num_heads; ++head) {
    const int64_t shared = head / (config.num_heads / config.num_kv_heads);
    for (int64_t t = 0; t < length; ++t) {
      std::vector<at::Tensor> scores;
      const at::Tensor query = rotate(q[t][head], t);
      for (int64_t s = 0; s <= t; ++s)
        scores.push_back(at::dot(query, rotate(k[s][shared], s)) / std::sqrt(static_cast<double>(config.head_dim)));
      const at::Tensor probability = at::softmax(at::stack(scores), 0);
      for (int64_t s = 0; s <= t; ++s) mixed[t][head] += probability[s] * v[s][shared];
    }
  }
  const at::Tensor after = x + at::mm(mixed.view({length, -1}), weight(LinearRole::kAttentionOutput).t());
  const at::Tensor m = norm(after, block.norm(NormRole::kMlp).weight);
  const at::Tensor gate = at::mm(m, weight(LinearRole::kGate).t());
  const at::Tensor hidden = gate * at::sigmoid(gate) * at::mm(m, weight(LinearRole::kUp).t());
  return after + at::mm(hidden, weight(LinearRole::kDown).t());
}

at::Tensor RandomInput(const ModelConfig& config, int64_t batch, int64_t length) {
  at::manual_seed(11);
  return at::randn({batch, length, config.hidden_size});
}

TEST(BlockTest, EqualsTheDefinition) {
  const ModelConfig config = SmallConfig();
  const BlockWeights block = RandomBlock(config, 1, at::kFloat);
  const at::Tensor x = RandomInput(config, 2, 9);
  const at::Tensor y = ForwardBlock(config, block, x, MakeRotaryTable(config, 9, at::kFloat, at::kCPU), nullptr);
  for (int64_t i = 0; i < 2; ++i) {
    const at::Tensor expected = ForwardByDefinition(config, block, x[i]);
    // Values around 1, sums of up to 96 products: below 200 roundings of 6e-8.
    EXPECT_LT((y[i].to(at::kDouble) - expected).abs().max().item<double>(), 1.2e-5);
  }
}

TEST(BlockTest, NoticesAChangedWeightInEveryPart) {
  const ModelConfig config = SmallConfig();
  const BlockWeights block = RandomBlock(config, 2, at::kFloat);
  const at::Tensor x = RandomInput(config, 1, 6);
  const RotaryTable rotary = MakeRotaryTable(config, 6, at::kFloat, at::kCPU);
  const at::Tensor y = ForwardBlock(config, block, x, rotary, nullptr);
  for (const LinearEntry& entry : config.architecture->linears) {
    BlockWeights changed = block;
    changed.linear(entry.role).weight = block.linear(entry.role).weight.clone();
    changed.linear(entry.role).weight[0][0] += 0.1;
    EXPECT_FALSE(at::allclose(ForwardBlock(config, changed, x, rotary, nullptr), y, 0, 1e-6)) << entry.name;
  }
}

TEST(BlockTest, AddsBiases) {
  const ModelConfig config = SmallConfig();
  BlockWeights block = RandomBlock(config, 3, at::kFloat);
  const at::Tensor x = RandomInput(config, 1, 4);
  const RotaryTable rotary = MakeRotaryTable(config, 4, at::kFloat, at::kCPU);
  const at::Tensor without = ForwardBlock(config, block, x, rotary, nullptr);
  block.linear(LinearRole::kDown).bias = at::full({config.hidden_size}, 0.25);
  EXPECT_TRUE(at::allclose(ForwardBlock(config, block, x, rotary, nullptr), without + 0.25, 1e-5, 1e-5));
}

TEST(BlockTest, WithACacheGivesWhatTheWholeWindowGives) {
  const ModelConfig config = SmallConfig();
  const BlockWeights block = RandomBlock(config, 4, at::kFloat);
  const at::Tensor x = RandomInput(config, 1, 12);
  const RotaryTable rotary = MakeRotaryTable(config, 12, at::kFloat, at::kCPU);
  const at::Tensor whole = ForwardBlock(config, block, x, rotary, nullptr);
  KeyValueCache cache;
  EXPECT_TRUE(at::allclose(ForwardBlock(config, block, x.narrow(1, 0, 7), rotary.Range(0, 7), &cache),
                           whole.narrow(1, 0, 7), 1e-4, 1e-5));
  for (int64_t t = 7; t < 12; ++t) {
    const at::Tensor y = ForwardBlock(config, block, x.narrow(1, t, 1), rotary.Range(t, 1), &cache);
    EXPECT_TRUE(at::allclose(y, whole.narrow(1, t, 1), 1e-4, 1e-5)) << t;
  }
}

TEST(BlockTest, LaterTokensDoNotChangeEarlierOnes) {
  const ModelConfig config = SmallConfig();
  const BlockWeights block = RandomBlock(config, 5, at::kFloat);
  at::Tensor x = RandomInput(config, 1, 8);
  const RotaryTable rotary = MakeRotaryTable(config, 8, at::kFloat, at::kCPU);
  const at::Tensor before = ForwardBlock(config, block, x, rotary, nullptr);
  x[0][7] += 1;
  const at::Tensor after = ForwardBlock(config, block, x, rotary, nullptr);
  EXPECT_TRUE(at::allclose(before.narrow(1, 0, 7), after.narrow(1, 0, 7), 1e-6, 1e-6));
  EXPECT_FALSE(at::allclose(before[0][7], after[0][7], 1e-3, 1e-3));
}

TEST(BlockTest, Bf16StaysCloseToFloat) {
  const ModelConfig config = SmallConfig();
  const BlockWeights exact = RandomBlock(config, 6, at::kFloat);
  const BlockWeights rounded = RandomBlock(config, 6, at::kBFloat16);
  const at::Tensor x = RandomInput(config, 1, 16);
  const at::Tensor y = ForwardBlock(config, exact, x, MakeRotaryTable(config, 16, at::kFloat, at::kCPU), nullptr);
  const at::Tensor z =
      ForwardBlock(config, rounded, x.to(at::kBFloat16), MakeRotaryTable(config, 16, at::kBFloat16, at::kCPU), nullptr);
  EXPECT_EQ(z.scalar_type(), at::kBFloat16);
  EXPECT_LT(((z.to(at::kFloat) - y).norm() / y.norm()).item<double>(), 0.02);
}

}  // namespace
}  // namespace pivot
