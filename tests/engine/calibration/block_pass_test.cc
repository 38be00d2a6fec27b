// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/block_pass.h"

#include <ATen/ATen.h>
#include <cmath>
#include <map>
#include <vector>

#include "engine/forward/linear.h"
#include "proto/status/reason.h"
#include "tests/engine/quantize/reference.h"
#include "tests/engine/support/placed_windows.h"
#include "tests/engine/support/random_block.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kWindows = 5;
constexpr int64_t kLength = 8;

struct Setting {
  ModelConfig config = SmallConfig();
  BlockWeights original = RandomBlock(config, 1, at::kFloat);
  RotaryTable rotary = MakeRotaryTable(config, kLength, at::kFloat, at::kCPU);
  Streams streams;

  Setting() {
    at::manual_seed(5);
    const at::Tensor x = at::randn({kWindows, kLength, config.hidden_size});
    streams = {.quantized = x + 0.05 * at::randn_like(x), .original = x};
  }
};

/// Of a tensor that is resident as a whole: itself, not a copy.
at::Tensor All(const WindowTensor& tensor) { return tensor.Read(0, tensor.windows()); }

/// Stands for a quantizer: every weight of the group moves a little, always the same way.
void Disturb(const ModelConfig& config, const LinearGroup& group, BlockWeights& weights) {
  for (const LinearRole role : group.members) {
    const BlockWeights noise = RandomBlock(config, 99, weights.linear(role).weight.scalar_type());
    weights.linear(role).weight = weights.linear(role).weight + 0.1 * noise.linear(role).weight;
  }
}

BlockWeights Disturbed(const ModelConfig& config, BlockWeights weights) {
  for (const LinearGroup& group : config.architecture->groups) Disturb(config, group, weights);
  return weights;
}

TEST(BlockPassTest, MovesBothStreamsAsTheWholeBlockWould) {
  Setting setting;
  const at::Tensor quantized_before = All(setting.streams.quantized).clone();
  const at::Tensor original_before = All(setting.streams.original).clone();
  const auto solver = [&](const LinearGroup& group, const InputMoments&, BlockWeights& weights) {
    Disturb(setting.config, group, weights);
    return absl::OkStatus();
  };
  ASSERT_OK(
      CalibrateBlock(setting.config, setting.original, setting.rotary, {.tile_windows = 2}, solver, setting.streams));
  const BlockWeights quantized = Disturbed(setting.config, setting.original);
  EXPECT_TRUE(at::allclose(All(setting.streams.original),
                           ForwardBlock(setting.config, setting.original, original_before, setting.rotary, nullptr),
                           1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(All(setting.streams.quantized),
                           ForwardBlock(setting.config, quantized, quantized_before, setting.rotary, nullptr), 1e-4,
                           1e-5));
}

TEST(BlockPassTest, AdvancingGivesTheSameBitsAsCalibrating) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Setting setting;
    const BlockWeights original = RandomBlock(setting.config, 1, dtype);
    const RotaryTable rotary = MakeRotaryTable(setting.config, kLength, dtype, at::kCPU);
    Streams calibrated{.quantized = All(setting.streams.quantized).to(dtype),
                       .original = All(setting.streams.original).to(dtype)};
    Streams advanced{.quantized = All(calibrated.quantized).clone(), .original = All(calibrated.original).clone()};
    BlockWeights quantized = original;
    const auto solver = [&](const LinearGroup& group, const InputMoments&, BlockWeights& weights) {
      Disturb(setting.config, group, weights);
      for (const LinearRole role : group.members) quantized.linear(role) = weights.linear(role);
      return absl::OkStatus();
    };
    ASSERT_OK(CalibrateBlock(setting.config, original, rotary, {.tile_windows = 2}, solver, calibrated));
    ASSERT_OK(AdvanceBlock(setting.config, original, quantized, rotary, {.tile_windows = 2}, advanced));
    EXPECT_TRUE(at::equal(All(calibrated.quantized), All(advanced.quantized)));
    EXPECT_TRUE(at::equal(All(calibrated.original), All(advanced.original)));
  }
}

TEST(BlockPassTest, StatisticsAreThoseOfEachGroupsInput) {
  Setting setting;
  const at::Tensor q = All(setting.streams.quantized).clone(), f = All(setting.streams.original).clone();
  std::map<BlockInput, at::Tensor> hessians, crosses;
  const auto solver = [&](const LinearGroup& group, const InputMoments& moments, BlockWeights&) {
    EXPECT_EQ(moments.num_tokens, kWindows * kLength);
    hessians[group.input] = moments.hessian;
    if (moments.cross.defined()) crosses[group.input] = moments.cross;
    return absl::OkStatus();
  };
  ASSERT_OK(
      CalibrateBlock(setting.config, setting.original, setting.rotary, {.tile_windows = 3}, solver, setting.streams));
  ASSERT_EQ(hessians.size(), 4U);
  const auto expect_moment = [](const at::Tensor& found, const at::Tensor& x, const at::Tensor& y) {
    EXPECT_TRUE(at::allclose(found.to(at::kDouble), Moment(x.flatten(0, 1), y.flatten(0, 1)), 1e-3, 1e-5));
  };
  const auto attention_input = [&](const at::Tensor& x) { return AttentionInput(setting.config, setting.original, x); };
  const auto heads = [&](const at::Tensor& x) {
    return Attend(setting.config, setting.original, attention_input(x), setting.rotary, nullptr);
  };
  const auto mlp_input = [&](const at::Tensor& x) {
    const at::Tensor after = x + ApplyLinear(heads(x), setting.original.linear(LinearRole::kAttentionOutput));
    return MlpInput(setting.config, setting.original, after);
  };
  const auto hidden = [&](const at::Tensor& x) { return MlpHidden(setting.config, setting.original, mlp_input(x)); };
  expect_moment(hessians[BlockInput::kAttention], attention_input(q), attention_input(q));
  expect_moment(hessians[BlockInput::kAttentionOutput], heads(q), heads(q));
  expect_moment(hessians[BlockInput::kMlp], mlp_input(q), mlp_input(q));
  expect_moment(hessians[BlockInput::kMlpHidden], hidden(q), hidden(q));
  expect_moment(crosses[BlockInput::kAttention], attention_input(f) - attention_input(q), attention_input(q));
  expect_moment(crosses[BlockInput::kAttentionOutput], heads(f) - heads(q), heads(q));
  expect_moment(crosses[BlockInput::kMlp], mlp_input(f) - mlp_input(q), mlp_input(q));
}

TEST(BlockPassTest, LaterGroupsSeeTheEarlierOnesQuantized) {
  Setting setting;
  Setting untouched;
  std::map<BlockInput, at::Tensor> with, without;
  const auto gather = [](std::map<BlockInput, at::Tensor>& into, bool disturb, const ModelConfig& config) {
    return [&into, disturb, &config](const LinearGroup& group, const InputMoments& moments, BlockWeights& weights) {
      into[group.input] = moments.hessian;
      if (disturb) Disturb(config, group, weights);
      return absl::OkStatus();
    };
  };
  ASSERT_OK(CalibrateBlock(setting.config, setting.original, setting.rotary, {}, gather(with, true, setting.config),
                           setting.streams));
  ASSERT_OK(CalibrateBlock(untouched.config, untouched.original, untouched.rotary, {},
                           gather(without, false, untouched.config), untouched.streams));
  EXPECT_TRUE(at::equal(with[BlockInput::kAttention], without[BlockInput::kAttention]));
  for (const BlockInput input : {BlockInput::kAttentionOutput, BlockInput::kMlp, BlockInput::kMlpHidden}) {
    EXPECT_FALSE(at::allclose(with[input], without[input], 1e-3, 1e-6));
  }
}

TEST(BlockPassTest, WorksWithoutAnOriginalStream) {
  Setting setting;
  setting.streams.original = {};
  const auto solver = [&](const LinearGroup&, const InputMoments& moments, BlockWeights&) {
    EXPECT_FALSE(moments.cross.defined());
    return absl::OkStatus();
  };
  ASSERT_OK(CalibrateBlock(setting.config, setting.original, setting.rotary, {}, solver, setting.streams));
  EXPECT_FALSE(setting.streams.original.defined());
}

TEST(BlockPassTest, ComputingTheHiddenStateTwiceGivesTheSameBits) {
  Setting kept;
  Setting recomputed;
  const auto solver = [&](const LinearGroup& group, const InputMoments&, BlockWeights& weights) {
    Disturb(kept.config, group, weights);
    return absl::OkStatus();
  };
  ASSERT_OK(CalibrateBlock(kept.config, kept.original, kept.rotary, {.tile_windows = 2}, solver, kept.streams));
  ASSERT_OK(CalibrateBlock(recomputed.config, recomputed.original, recomputed.rotary,
                           {.tile_windows = 2, .recomputes_hidden = true}, solver, recomputed.streams));
  EXPECT_TRUE(at::equal(All(kept.streams.quantized), All(recomputed.streams.quantized)));
  EXPECT_TRUE(at::equal(All(kept.streams.original), All(recomputed.streams.original)));
}

TEST(BlockPassTest, WindowsInHostMemoryGiveTheSameBits) {
  for (const int64_t resident : {0, 2, 4}) {
    for (const bool recomputes_hidden : {false, true}) {
      Setting kept;
      Setting spilled;
      spilled.streams = {.quantized = Placed(All(spilled.streams.quantized), 2, resident),
                         .original = Placed(All(spilled.streams.original), 2, resident)};
      std::vector<at::Tensor> moments;
      const auto solver = [&](const LinearGroup& group, const InputMoments& found, BlockWeights& weights) {
        Disturb(kept.config, group, weights);
        moments.push_back(found.hessian);
        return absl::OkStatus();
      };
      const BlockPassOptions options{.tile_windows = 2, .recomputes_hidden = recomputes_hidden};
      ASSERT_OK(CalibrateBlock(kept.config, kept.original, kept.rotary, options, solver, kept.streams));
      ASSERT_OK(CalibrateBlock(spilled.config, spilled.original, spilled.rotary, options, solver, spilled.streams));
      EXPECT_TRUE(at::equal(All(kept.streams.quantized), Collected(spilled.streams.quantized, 2))) << resident;
      EXPECT_TRUE(at::equal(All(kept.streams.original), Collected(spilled.streams.original, 2))) << resident;
      for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(at::equal(moments[i], moments[i + 4]));
      EXPECT_EQ(StreamDistance(kept.streams, 2), StreamDistance(spilled.streams, 2));
    }
  }
}

TEST(BlockPassTest, GathersTheStreamsErrorWhereOutputsJoinTheStreamAndItIsAskedFor) {
  for (const bool is_asked_for : {true, false}) {
    Setting setting;
    const auto solver = [&](const LinearGroup& group, const InputMoments& moments, BlockWeights&) {
      const bool joins = group.input == BlockInput::kAttentionOutput || group.input == BlockInput::kMlpHidden;
      EXPECT_EQ(moments.residual.defined(), joins && is_asked_for);
      return absl::OkStatus();
    };
    ASSERT_OK(CalibrateBlock(setting.config, setting.original, setting.rotary, {.gathers_residual = is_asked_for},
                             solver, setting.streams));
  }
}

TEST(BlockPassTest, NamesLayerAndWindowOfAnInputThatIsNotFinite) {
  Setting setting;
  All(setting.streams.quantized)[3][2][1] = INFINITY;
  const auto solver = [](const LinearGroup&, const InputMoments&, BlockWeights&) { return absl::OkStatus(); };
  const absl::Status status = CalibrateBlock(setting.config, setting.original, setting.rotary,
                                             {.tile_windows = 2, .prefix = "model.layers.7."}, solver, setting.streams);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               ::testing::AllOf(::testing::HasSubstr("model.layers.7.self_attn.q_proj"),
                                                ::testing::HasSubstr("calibration window 3"))));
  EXPECT_EQ(ReasonOf(status), "NUMERICAL_FAILURE");
}

TEST(BlockPassTest, TellsAnOriginalThatIsNotFiniteFromAQuantizedOne) {
  Setting setting;
  All(setting.streams.original)[3][2][1] = INFINITY;
  const auto solver = [](const LinearGroup&, const InputMoments&, BlockWeights&) { return absl::OkStatus(); };
  EXPECT_THAT(CalibrateBlock(setting.config, setting.original, setting.rotary, {}, solver, setting.streams),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       ::testing::AllOf(::testing::HasSubstr("in the original model"),
                                        ::testing::Not(::testing::HasSubstr("window")))));
}

TEST(BlockPassTest, StreamDistanceIsRelativeToTheOriginal) {
  Setting setting;
  const at::Tensor error = All(setting.streams.quantized) - All(setting.streams.original);
  const double expected = (error.square().sum() / All(setting.streams.original).square().sum()).item<double>();
  EXPECT_NEAR(StreamDistance(setting.streams, 2), expected, 1e-5 * expected);
  setting.streams.original = {};
  EXPECT_EQ(StreamDistance(setting.streams, 2), 0);
}

TEST(BlockPassTest, StopsBetweenTilesWhenCancelled) {
  Setting setting;
  int asked = 0;
  const BlockPassOptions options{.tile_windows = 1, .is_cancelled = [&asked] { return ++asked > 3; }};
  const auto solver = [](const LinearGroup&, const InputMoments&, BlockWeights&) { return absl::OkStatus(); };
  EXPECT_THAT(CalibrateBlock(setting.config, setting.original, setting.rotary, options, solver, setting.streams),
              StatusIs(absl::StatusCode::kCancelled, ::testing::_));
  EXPECT_EQ(asked, 4);
}

TEST(BlockPassTest, PassesOnWhatTheSolverSays) {
  Setting setting;
  const auto solver = [](const LinearGroup&, const InputMoments&, BlockWeights&) {
    return absl::DataLossError("solver");
  };
  EXPECT_THAT(CalibrateBlock(setting.config, setting.original, setting.rotary, {}, solver, setting.streams),
              StatusIs(absl::StatusCode::kDataLoss, "solver"));
}

}  // namespace
}  // namespace pivot
