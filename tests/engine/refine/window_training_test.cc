// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/window_training.h"

#include <ATen/ATen.h>
#include <vector>

#include "gtest/gtest.h"

#include "engine/forward/block.h"
#include "tests/engine/support/random_block.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

/// Rounded to nearest, three bits, groups of 16.
QuantizedLinear Rounded(const at::Tensor& weight) {
  const at::Tensor groups = weight.unflatten(1, {-1, 16});
  const at::Tensor scale = (groups.abs().amax(2) / 3.5).to(at::kBFloat16).to(at::kFloat);
  const at::Tensor codes = (groups / scale.unsqueeze(2)).round().clamp(-4, 3).flatten(1);
  return {.codes = codes.to(at::kChar), .scale = scale, .scheme = {.bits = 3, .group_size = 16}};
}

QuantizedLinears RoundedLinears(const ModelConfig& config, const BlockWeights& weights, int block) {
  QuantizedLinears linears;
  for (const BlockLinear& linear : BlockLinears(config, block))
    linears[linear.module] = Rounded(weights.linear(linear.role, linear.expert).weight);
  return linears;
}

class WindowTrainingTest : public ::testing::TestWithParam<bool> {
 protected:
  WindowTrainingTest() : config_(GetParam() ? SmallMixture() : SmallConfig()) {
    config_.num_blocks = 2;
    rotary_ = MakeRotaryTable(config_, 24, at::kFloat, at::kCPU);
    at::manual_seed(1);
    streams_.input = at::randn({90, 24, config_.hidden_size});
    streams_.target = streams_.input;
    streams_.trained = 80;
    for (int block = 0; block < 2; ++block) {
      const BlockWeights weights = RandomBlock(config_, block, at::kFloat);
      blocks_.emplace_back(config_, block, weights, RoundedLinears(config_, weights, block), Learned::kScalesAndCodes,
                           CompressSpec());
      streams_.target = ForwardBlock(config_, weights, streams_.target, rotary_, nullptr);
    }
  }

  absl::StatusOr<TrainingResult> Train(const LearningRates& rates) {
    return TrainBlocks(config_, rotary_, {&blocks_[0], &blocks_[1]}, streams_,
                       {.steps = 60, .step_windows = 8, .rates = rates, .seed = 3});
  }

  ModelConfig config_;
  RotaryTable rotary_;
  StreamPair streams_;
  std::vector<TrainableBlock> blocks_;
};

TEST_P(WindowTrainingTest, WindowsThatItDoesNotReadComeOutCloser) {
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Train({.codes = 0.01, .scales = 0.003}));
  EXPECT_TRUE(result.is_kept);
  EXPECT_LT(result.error_after, 0.9 * result.error_before);
  EXPECT_GT(blocks_[0].MovedShare(), 0.001);
}

TEST_P(WindowTrainingTest, ScalesAloneHelpToo) {
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Train({.scales = 0.003}));
  EXPECT_TRUE(result.is_kept);
  EXPECT_LT(result.error_after, result.error_before);
  EXPECT_EQ(blocks_[0].MovedShare(), 0);
}

TEST_P(WindowTrainingTest, BlocksThatGotWorseArePutBack) {
  const QuantizedLinears before = blocks_[1].Rounded();
  ASSERT_OK_AND_ASSIGN(const TrainingResult result, Train({.codes = 1, .scales = 1}));
  EXPECT_FALSE(result.is_kept);
  EXPECT_GT(result.error_after, result.error_before);
  for (const auto& [module, linear] : blocks_[1].Rounded()) {
    EXPECT_TRUE(at::equal(linear.codes, before.at(module).codes)) << module;
    EXPECT_TRUE(at::equal(linear.scale, before.at(module).scale)) << module;
  }
}

TEST_P(WindowTrainingTest, ACancelledJobStops) {
  const auto result = TrainBlocks(config_, rotary_, {&blocks_[0]}, streams_,
                                  {.steps = 40, .step_windows = 2, .is_cancelled = [] { return true; }});
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled, ::testing::_));
}

INSTANTIATE_TEST_SUITE_P(Models, WindowTrainingTest, ::testing::Values(false, true),
                         [](const auto& model) { return model.param ? "Mixture" : "Dense"; });

TEST(StreamErrorTest, LongTokensCountNoMoreThanOthers) {
  at::manual_seed(4);
  at::Tensor target = at::randn({1, 50, 8});
  const at::Tensor output = target * 1.1;
  EXPECT_NEAR(StreamError(output, target).item<double>(), 0.01, 1e-3);
  target.select(1, 0).mul_(1000);
  EXPECT_NEAR(StreamError(target * 1.1, target).item<double>(), 0.01, 1e-3);
}

}  // namespace
}  // namespace pivot
