// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/expert_pass.h"

#include <ATen/ATen.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/forward/experts.h"
#include "proto/status/reason.h"
#include "tests/engine/quantize/reference.h"
#include "tests/engine/support/placed_windows.h"
#include "tests/engine/support/random_block.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kWindows = 5;
constexpr int64_t kLength = 16;

struct Setting {
  ModelConfig config = SmallMixture();
  BlockWeights original = RandomBlock(config, 1, at::kFloat);
  RotaryTable rotary = MakeRotaryTable(config, kLength, at::kFloat, at::kCPU);
  Streams streams;

  explicit Setting(at::ScalarType dtype = at::kFloat) {
    original = RandomBlock(config, 1, dtype);
    rotary = MakeRotaryTable(config, kLength, dtype, at::kCPU);
    at::manual_seed(5);
    const at::Tensor x = at::randn({kWindows, kLength, config.hidden_size});
    streams = {.quantized = (x + 0.05 * at::randn_like(x)).to(dtype), .original = x.to(dtype)};
  }
};

at::Tensor All(const WindowTensor& tensor) { return tensor.Read(0, tensor.windows()); }

/// Stands for a quantizer.
void Disturb(const ModelConfig& config, const SolverGroup& group, BlockWeights& weights) {
  const BlockWeights noise = RandomBlock(config, 99, weights.router.scalar_type());
  for (const LinearRole role : group.members) {
    at::Tensor& weight = weights.linear(role, group.expert).weight;
    weight = weight + 0.1 * noise.linear(role, group.expert).weight;
  }
}

/// What was handed to the solver, by expert and by what it reads.
using Handed = std::map<std::pair<int, BlockInput>, std::pair<ExpertUse, InputMoments>>;

absl::Status PassGathering(Setting& setting, const BlockPassOptions& options, Handed& handed) {
  const auto solver = [&](const SolverGroup& group, InputMoments moments, BlockWeights& weights) {
    if (group.expert != kNoExpert) handed[{group.expert, group.input}] = {group.use, std::move(moments)};
    Disturb(setting.config, group, weights);
    return absl::OkStatus();
  };
  return CalibrateBlock(setting.config, setting.original, setting.rotary, options, solver, setting.streams);
}

/// All layers disturbed, in the order of the pass.
BlockWeights Disturbed(const ModelConfig& config, BlockWeights weights) {
  for (const BlockGroup& group : BlockGroups(config, 0)) Disturb(config, {group}, weights);
  return weights;
}

/// What the MLP of a block reads, [tokens, hidden].
at::Tensor InputOf(const Setting& setting, const BlockWeights& weights, const at::Tensor& stream) {
  at::Tensor after = stream.clone();
  const at::Tensor heads =
      Attend(setting.config, weights, AttentionInput(setting.config, weights, stream), setting.rotary, nullptr);
  AddAttention(setting.config, weights, heads, after);
  return MlpInput(setting.config, weights, after).flatten(0, 1);
}

TEST(ExpertPassTest, MovesBothStreamsAsTheWholeBlockWould) {
  Setting setting;
  const at::Tensor quantized = All(setting.streams.quantized).clone();
  const at::Tensor original = All(setting.streams.original).clone();
  Handed handed;
  ASSERT_OK(PassGathering(setting, {.tile_windows = 2}, handed));
  EXPECT_TRUE(at::allclose(All(setting.streams.original),
                           ForwardBlock(setting.config, setting.original, original, setting.rotary, nullptr), 1e-4,
                           1e-5));
  const BlockWeights disturbed = Disturbed(setting.config, setting.original);
  const at::Tensor expected = ForwardBlock(setting.config, disturbed, quantized, setting.rotary, nullptr);
  EXPECT_TRUE(at::allclose(All(setting.streams.quantized), expected, 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(All(setting.streams.original), expected, 1e-4, 1e-5));
}

TEST(ExpertPassTest, AdvancingGivesTheSameBitsAsCalibrating) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Setting calibrated(dtype), advanced(dtype);
    Handed handed;
    ASSERT_OK(PassGathering(calibrated, {.tile_windows = 2}, handed));
    const BlockWeights quantized = Disturbed(advanced.config, advanced.original);
    ASSERT_OK(AdvanceBlock(advanced.config, advanced.original, quantized, advanced.rotary, {.tile_windows = 2},
                           advanced.streams));
    EXPECT_TRUE(at::equal(All(calibrated.streams.quantized), All(advanced.streams.quantized)));
    EXPECT_TRUE(at::equal(All(calibrated.streams.original), All(advanced.streams.original)));
  }
}

TEST(ExpertPassTest, WindowsInHostMemoryGiveTheSameBits) {
  Setting kept, spilled;
  spilled.streams = {.quantized = Placed(All(spilled.streams.quantized), 2, 2),
                     .original = Placed(All(spilled.streams.original), 2, 2)};
  Handed with, without;
  ASSERT_OK(PassGathering(kept, {.tile_windows = 2}, with));
  ASSERT_OK(PassGathering(spilled, {.tile_windows = 2}, without));
  EXPECT_TRUE(at::equal(All(kept.streams.quantized), Collected(spilled.streams.quantized, 2)));
  for (const auto& [key, entry] : with) EXPECT_TRUE(at::equal(entry.second.hessian, without[key].second.hessian));
}

TEST(ExpertPassTest, MomentsAreOfTheTokensThatAnExpertIsSent) {
  Setting setting;
  const at::Tensor stream = All(setting.streams.quantized).clone(), original = All(setting.streams.original).clone();
  Handed handed;
  ASSERT_OK(PassGathering(setting, {.tile_windows = 2}, handed));
  const BlockWeights disturbed = Disturbed(setting.config, setting.original);
  const at::Tensor q = InputOf(setting, disturbed, stream), f = InputOf(setting, setting.original, original);
  const Routing routing(setting.config, setting.original.router, q);
  for (int expert = 0; expert < 5; ++expert) {
    ASSERT_GE(routing.count(expert), LeastExpertTokens(64)) << "or this tests nothing";
    const at::Tensor own_q = q.index_select(0, routing.tokens(expert));
    const at::Tensor own_f = f.index_select(0, routing.tokens(expert));
    const auto& [use, moments] = handed[{expert, BlockInput::kMlp}];
    EXPECT_EQ(use.num_tokens, routing.count(expert));
    EXPECT_EQ(use.fallback, ExpertFallback::kNone);
    EXPECT_EQ(moments.num_tokens, routing.count(expert));
    EXPECT_TRUE(at::allclose(moments.hessian.to(at::kDouble), Moment(own_q, own_q), 1e-3, 1e-5));
    EXPECT_TRUE(at::allclose(moments.cross.to(at::kDouble), Moment(own_f - own_q, own_q), 1e-3, 1e-5));
    EXPECT_FALSE(moments.residual.defined());
    const at::Tensor hidden_q = ExpertHidden(setting.config, disturbed, expert, own_q);
    const at::Tensor hidden_f = ExpertHidden(setting.config, setting.original, expert, own_f);
    const InputMoments& hidden = handed[{expert, BlockInput::kMlpHidden}].second;
    EXPECT_TRUE(at::allclose(hidden.hessian.to(at::kDouble), Moment(hidden_q, hidden_q), 1e-3, 1e-5));
    EXPECT_TRUE(at::allclose(hidden.cross.to(at::kDouble), Moment(hidden_f - hidden_q, hidden_q), 1e-3, 1e-5));
    EXPECT_FALSE(at::allclose(hidden.hessian.to(at::kDouble), Moment(hidden_f, hidden_f), 1e-3, 1e-5))
        << "down must see the quantized gate and up";
  }
}

/// No token is sent to expert 4, whose logit is 0: of 0 and 1, and of 2 and 3, one has a large positive one.
void Starve(Setting& setting) {
  setting.original.router = setting.original.router.clone();
  at::Tensor& router = setting.original.router;
  router[1].copy_(-router[0]);
  router[3].copy_(-router[2]);
  router[4].zero_();
}

TEST(ExpertPassTest, AStarvedExpertGetsAllTokens) {
  Setting setting;
  Starve(setting);
  const at::Tensor stream = All(setting.streams.quantized).clone();
  Handed handed;
  ASSERT_OK(PassGathering(setting, {.tile_windows = 2}, handed));
  const BlockWeights disturbed = Disturbed(setting.config, setting.original);
  const at::Tensor q = InputOf(setting, disturbed, stream);
  const auto& [use, moments] = handed[{4, BlockInput::kMlp}];
  EXPECT_LT(use.num_tokens, LeastExpertTokens(64));
  EXPECT_EQ(use.num_tokens, Routing(setting.config, setting.original.router, q).count(4));
  EXPECT_EQ(use.fallback, ExpertFallback::kShared);
  EXPECT_EQ(moments.num_tokens, kWindows * kLength);
  EXPECT_TRUE(at::allclose(moments.hessian.to(at::kDouble), Moment(q, q), 1e-3, 1e-5));
  const auto& [down_use, down] = handed[{4, BlockInput::kMlpHidden}];
  EXPECT_EQ(down_use.fallback, ExpertFallback::kAllExperts);
  const at::Tensor hidden = ExpertHidden(setting.config, disturbed, 4, q);
  EXPECT_TRUE(at::allclose(down.hessian.to(at::kDouble), Moment(hidden, hidden), 1e-3, 1e-5));
  EXPECT_EQ((handed[{0, BlockInput::kMlp}].first.fallback), ExpertFallback::kNone);
}

TEST(ExpertPassTest, FewTokensInAllLeaveRounding) {
  Setting setting;
  const int64_t few = 6;  // LeastExpertTokens(64) is 8, LeastExpertTokens(48) is 6
  setting.streams = {.quantized = All(setting.streams.quantized).narrow(0, 0, 1).narrow(1, 0, few).clone(),
                     .original = All(setting.streams.original).narrow(0, 0, 1).narrow(1, 0, few).clone()};
  setting.rotary = MakeRotaryTable(setting.config, few, at::kFloat, at::kCPU);
  Handed handed;
  ASSERT_OK(PassGathering(setting, {}, handed));
  for (int expert = 0; expert < 5; ++expert) {
    const auto& [use, moments] = handed[{expert, BlockInput::kMlp}];
    EXPECT_EQ(use.fallback, ExpertFallback::kRounding);
    EXPECT_FALSE(moments.hessian.defined());
    const ExpertUse down = handed[{expert, BlockInput::kMlpHidden}].first;
    EXPECT_EQ(down.fallback, down.num_tokens == few ? ExpertFallback::kNone : ExpertFallback::kAllExperts);
  }
}

TEST(ExpertPassTest, TokensThatAStarvedExpertCannotTakeLeaveRounding) {
  Setting setting;
  Starve(setting);
  for (const LinearRole role : {LinearRole::kExpertGate, LinearRole::kExpertUp})
    setting.original.linear(role, 4).weight = 1e30 * setting.original.linear(role, 4).weight;
  Handed handed;
  const auto solver = [&](const SolverGroup& group, InputMoments moments, BlockWeights&) {
    if (group.expert != kNoExpert) handed[{group.expert, group.input}] = {group.use, std::move(moments)};
    return absl::OkStatus();
  };
  ASSERT_OK(CalibrateBlock(setting.config, setting.original, setting.rotary, {}, solver, setting.streams));
  EXPECT_EQ((handed[{4, BlockInput::kMlp}].first.fallback), ExpertFallback::kShared);
  EXPECT_EQ((handed[{4, BlockInput::kMlpHidden}].first.fallback), ExpertFallback::kRounding);
  EXPECT_FALSE((handed[{4, BlockInput::kMlpHidden}].second.hessian.defined()));
}

TEST(ExpertPassTest, ValuesThatAreNotFiniteEndTheJobWithTheExpertsName) {
  Setting setting;
  setting.original.linear(LinearRole::kExpertUp, 2).weight =
      1e38 * setting.original.linear(LinearRole::kExpertUp, 2).weight;
  Handed handed;
  const absl::Status status = PassGathering(setting, {.prefix = "model.layers.7."}, handed);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("model.layers.7.block_sparse_moe.experts.2: its hidden state")));
  EXPECT_EQ(ReasonOf(status), "NUMERICAL_FAILURE");
}

TEST(ExpertPassTest, WorksWithoutAnOriginalStream) {
  Setting setting;
  setting.streams.original = {};
  Handed handed;
  ASSERT_OK(PassGathering(setting, {}, handed));
  EXPECT_EQ(handed.size(), 10U);
  for (const auto& [key, entry] : handed) EXPECT_FALSE(entry.second.cross.defined());
}

}  // namespace
}  // namespace pivot
