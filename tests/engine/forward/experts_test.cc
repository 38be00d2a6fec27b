// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/experts.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"

#include "engine/forward/block.h"
#include "tests/engine/support/random_block.h"

namespace pivot {
namespace {

constexpr int64_t kTokens = 23;

at::Tensor RandomTokens(const ModelConfig& config) {
  at::manual_seed(11);
  return at::randn({kTokens, config.hidden_size});
}

/// What the experts add for one token, by the definition, in fp64.
at::Tensor OutputByDefinition(const ModelConfig& config, const BlockWeights& block, const at::Tensor& token) {
  const at::Tensor x = token.to(at::kDouble);
  const at::Tensor probability = at::softmax(at::mv(block.router.to(at::kDouble), x), 0);
  std::vector<int> order(static_cast<size_t>(config.experts.count));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return probability[a].item<double>() > probability[b].item<double>(); });
  order.resize(static_cast<size_t>(config.experts.per_token));
  double sum = 0;
  for (const int expert : order) sum += probability[expert].item<double>();
  at::Tensor output = at::zeros_like(x);
  for (const int expert : order) {
    const auto weight = [&](LinearRole role) { return block.linear(role, expert).weight.to(at::kDouble); };
    const at::Tensor gate = at::mv(weight(LinearRole::kExpertGate), x);
    const at::Tensor hidden = gate * at::sigmoid(gate) * at::mv(weight(LinearRole::kExpertUp), x);
    const double share = probability[expert].item<double>() / (config.experts.renormalizes ? sum : 1);
    output += share * at::mv(weight(LinearRole::kExpertDown), hidden);
  }
  return output;
}

at::Tensor Output(const ModelConfig& config, const BlockWeights& block, const at::Tensor& x) {
  at::Tensor stream = at::zeros_like(x).unsqueeze(0);
  AddExperts(config, block, x.unsqueeze(0), stream);
  return stream.squeeze(0);
}

at::Tensor ByDefinition(const ModelConfig& config, const BlockWeights& block, const at::Tensor& x) {
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < x.size(0); ++i) rows.push_back(OutputByDefinition(config, block, x[i]));
  return at::stack(rows).to(at::kFloat);
}

TEST(ExpertsTest, AddWhatTheDefinitionSays) {
  ModelConfig config = SmallMixture();
  const BlockWeights block = RandomBlock(config, 1, at::kFloat);
  const at::Tensor x = RandomTokens(config);
  for (const bool renormalizes : {true, false}) {
    config.experts.renormalizes = renormalizes;
    // Sums of 64 products of numbers around 1 in fp32.
    EXPECT_TRUE(at::allclose(Output(config, block, x), ByDefinition(config, block, x), 1e-4, 1e-5));
  }
  config.experts.renormalizes = true;
  const at::Tensor expected = ByDefinition(config, block, x);
  config.experts.renormalizes = false;
  EXPECT_FALSE(at::allclose(Output(config, block, x), expected, 1e-4, 1e-5)) << "shares must matter";
}

TEST(ExpertsTest, EveryLayerAndTheRouterMatter) {
  const ModelConfig config = SmallMixture();
  const BlockWeights block = RandomBlock(config, 1, at::kFloat);
  const at::Tensor x = RandomTokens(config);
  const at::Tensor before = Output(config, block, x);
  for (const LinearRole role : {LinearRole::kExpertGate, LinearRole::kExpertUp, LinearRole::kExpertDown}) {
    for (int expert = 0; expert < static_cast<int>(config.experts.count); ++expert) {
      BlockWeights changed = block;
      changed.linear(role, expert).weight = block.linear(role, expert).weight + 0.1;
      EXPECT_FALSE(at::allclose(Output(config, changed, x), before, 1e-4, 1e-5)) << expert;
    }
  }
  BlockWeights changed = block;
  changed.router = block.router.flip(0);
  EXPECT_FALSE(at::allclose(Output(config, changed, x), before, 1e-4, 1e-5));
}

TEST(ExpertsTest, RoutingHasEachTokenAtAsManyExpertsAsItIsSentTo) {
  const ModelConfig config = SmallMixture();
  const BlockWeights block = RandomBlock(config, 1, at::kFloat);
  const Routing routing(config, block.router, RandomTokens(config));
  std::vector<int> met(kTokens, 0);
  for (int expert = 0; expert < static_cast<int>(config.experts.count); ++expert) {
    const at::Tensor tokens = routing.tokens(expert);
    ASSERT_EQ(tokens.size(0), routing.count(expert));
    for (int64_t i = 0; i < tokens.size(0); ++i) {
      ++met[static_cast<size_t>(tokens[i].item<int64_t>())];
    }
    EXPECT_TRUE(at::equal(tokens, std::get<0>(at::sort(tokens)))) << "in rising order";
  }
  for (const int count : met) EXPECT_EQ(count, config.experts.per_token);
}

TEST(ExpertsTest, EqualInputsGiveEqualBits) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const ModelConfig config = SmallMixture();
    const BlockWeights block = RandomBlock(config, 1, dtype);
    const at::Tensor x = RandomTokens(config).to(dtype);
    EXPECT_TRUE(at::equal(Output(config, block, x), Output(config, block, x)));
  }
}

TEST(ExpertsTest, TheWholeBlockUsesThem) {
  const ModelConfig config = SmallMixture();
  const BlockWeights block = RandomBlock(config, 1, at::kFloat);
  const RotaryTable rotary = MakeRotaryTable(config, kTokens, at::kFloat, at::kCPU);
  const at::Tensor x = RandomTokens(config).unsqueeze(0);
  at::Tensor after = x.clone();
  AddAttention(config, block, Attend(config, block, AttentionInput(config, block, x), rotary, nullptr), after);
  const at::Tensor input = MlpInput(config, block, after).squeeze(0);
  EXPECT_TRUE(at::allclose(ForwardBlock(config, block, x, rotary, nullptr),
                           after + ByDefinition(config, block, input).unsqueeze(0), 1e-4, 1e-5));
}

}  // namespace
}  // namespace pivot
