// SPDX-License-Identifier: Apache-2.0
// Numbers worked out by hand for the tiny model: hidden 64, intermediate 128, 4 query and 2 key/value heads of 16, 2
// blocks, 320 tokens. A block has 64*64 + 2*32*64 + 64*64 + 3*64*128 = 36,864 weights; its inputs are 64 (q, k, v), 64
// (o), 64 (gate, up) and 128 (down) wide, their outputs 128, 64, 256 and 64.
#include "engine/plan/work.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

constexpr double kWeights = 36864;
constexpr double kCubed64 = 64.0 * 64 * 64;
constexpr double kCubed128 = 128.0 * 128 * 128;
constexpr int64_t kMib = int64_t{1} << 20;

ModelConfig Tiny() { return *ParseModelConfig(TinyConfigJson({})); }

CompressSpec Spec() {
  return {.scheme = {.bits = 4, .group_size = 64},
          .quantize = {.qep_alpha = 0, .qep_residual = 0, .refine_sweeps = 0},
          .calibration = {.num_samples = 8, .sequence_length = 32},
          .evaluation = {.max_tokens = 1000}};
}

TEST(WorkTest, CountsTheProductsOfABlock) {
  EXPECT_DOUBLE_EQ(BlockForwardFlops(Tiny(), 100, 10), 100 * (2 * kWeights + 2 * 64 * 10));
  EXPECT_DOUBLE_EQ(BlockForwardFlops(Tiny(), 0, 10), 0);
  EXPECT_DOUBLE_EQ(BlockForwardFlops(Tiny(), 100, 20) - BlockForwardFlops(Tiny(), 100, 10), 100.0 * 2 * 64 * 10)
      << "attention grows with the window";
}

TEST(WorkTest, CountsOneStreamWithoutErrorPropagation) {
  const CompressWork work = WorkOf(Tiny(), Spec(), 0);
  EXPECT_DOUBLE_EQ(work.forward, 2 * 256 * (2 * kWeights + 2 * 64 * 32));
  EXPECT_DOUBLE_EQ(work.statistics, 0.625 * 2 * 2.0 * 256 * (3 * 64 * 64 + 128 * 128));
  EXPECT_DOUBLE_EQ(work.solve, 2 * (3 * kCubed64 + kCubed128 + (128 + 64 + 256) * 64.0 * 64 + 64 * 128.0 * 128));
  EXPECT_DOUBLE_EQ(work.evaluation, 0);
  EXPECT_DOUBLE_EQ(work.total(), work.forward + work.statistics + work.solve);
}

TEST(WorkTest, CountsTwoStreamsAndTheirCorrectionWithErrorPropagation) {
  CompressSpec spec = Spec();
  const CompressWork plain = WorkOf(Tiny(), spec, 0);
  spec.quantize.qep_alpha = 0.5;
  const CompressWork work = WorkOf(Tiny(), spec, 0);
  EXPECT_DOUBLE_EQ(work.forward, 2 * plain.forward);
  // C and D beside H, and what o_proj and down_proj see of the residual stream.
  EXPECT_DOUBLE_EQ(work.statistics, 3.6 * plain.statistics + 2 * 2.0 * 256 * 64 * (64 + 128));
  EXPECT_DOUBLE_EQ(work.solve, plain.solve + 2 * ((3 * kCubed64 + kCubed128) / 3 +
                                                  4 * ((128 + 64 + 256) * 64.0 * 64 + 64 * 128.0 * 128)));
}

TEST(WorkTest, CountsEachSweepOfTheRefinement) {
  CompressSpec spec = Spec();
  const CompressWork plain = WorkOf(Tiny(), spec, 0);
  spec.quantize.refine_sweeps = 3;
  EXPECT_DOUBLE_EQ(WorkOf(Tiny(), spec, 0).solve - plain.solve,
                   2 * 3 * 2 * ((128 + 64 + 256) * 64.0 * 64 + 64 * 128.0 * 128));
  spec.scheme.type = CodeType::kFloat8;
  EXPECT_DOUBLE_EQ(WorkOf(Tiny(), spec, 0).solve, plain.solve) << "floating-point codes are not refined";
}

TEST(WorkTest, NeedsNoCalibrationToRound) {
  CompressSpec spec = Spec();
  spec.quantize.method = Method::kRtn;
  const CompressWork work = WorkOf(Tiny(), spec, 1000);
  EXPECT_DOUBLE_EQ(work.forward + work.statistics + work.solve, 0);
  EXPECT_GT(work.evaluation, 0);
}

TEST(WorkTest, CountsTheHeadInTheEvaluationOfBothModels) {
  const double block = 1000 * (2 * kWeights + 2 * 64 * 512);  // windows of at most the model's 512 positions
  EXPECT_DOUBLE_EQ(WorkOf(Tiny(), Spec(), 1000).evaluation, 2 * (2 * block + 2.0 * 320 * 64 * 1000));
}

TEST(WorkTest, TakesAWholeTextForOneOfTheBuiltInTextsLength) {
  EXPECT_EQ(EvaluationTokens({.max_tokens = 77}), 77);
  EXPECT_EQ(EvaluationTokens({.max_tokens = 0}), 400'000);
  EXPECT_EQ(EvaluationTokens({.skip = true, .max_tokens = 77}), 0);
}

TEST(MemoryTest, MovesTheWorkToTheGpu) {
  CompressSpec spec = Spec();
  spec.evaluation.skip = true;
  const CompressMemory memory = MemoryOf(Tiny(), spec, DeviceKind::kCuda);
  const int64_t solve = int64_t{128} * 128 * 32 + int64_t{4} * 64 * 128 * 4;
  const int64_t least = int64_t{256} * 2 * (64 + 64) + solve + int64_t{36864} * 2 * 2;
  const int64_t hidden = int64_t{256} * 2 * 128;
  EXPECT_EQ(memory.gpu_bytes, 900 * kMib + least + hidden + (least + hidden) / 10);
  EXPECT_EQ(memory.least_gpu_bytes, 900 * kMib + least + least / 10) << "streams of fewer tokens than two tiles stay";
  EXPECT_EQ(memory.host_bytes,
            2800 * kMib + int64_t{2} * 36864 * 2 + int64_t{320} * 64 * 2 + int64_t{36864} * (2 * 2 + 4));
}

/// 4096 windows of 32 tokens, four tiles.
CompressSpec WideSpec() {
  CompressSpec spec = Spec();
  spec.quantize.qep_alpha = 0.5;
  spec.evaluation.skip = true;
  spec.calibration.num_samples = 4096;
  return spec;
}

constexpr int64_t kWideTokens = int64_t{4096} * 32;
constexpr int64_t kWideStreams = kWideTokens * 2 * (2 * 64 + 64);  // two streams and the heads
constexpr int64_t kWideFixed =
    int64_t{32768} * 2 * (5 * 128 + 2 * 64) + int64_t{128} * (2 * 128 + 64) * 4 + int64_t{36864} * 2 * 2;

int64_t WithReserve(int64_t bytes) { return 900 * kMib + bytes + bytes / 10; }

TEST(PlacementTest, KeepsEverythingWhereThereIsRoom) {
  const CompressMemory memory = MemoryOf(Tiny(), WideSpec(), DeviceKind::kCuda);
  EXPECT_EQ(memory.gpu_bytes, WithReserve(kWideFixed + kWideStreams + kWideTokens * 2 * 128));
  const ActivationPlacement placement = PlaceActivations(Tiny(), WideSpec(), memory.gpu_bytes);
  EXPECT_FALSE(placement.recomputes_hidden);
  EXPECT_EQ(placement.resident_windows, 4096);
  EXPECT_EQ(placement.gpu_bytes, memory.gpu_bytes);
  EXPECT_EQ(placement.host_bytes, 0);
}

TEST(PlacementTest, ComputesTheHiddenStateTwiceBeforeItMovesStreamsOut) {
  const int64_t enough = WithReserve(kWideFixed + kWideStreams);
  const ActivationPlacement placement = PlaceActivations(Tiny(), WideSpec(), enough);
  EXPECT_TRUE(placement.recomputes_hidden);
  EXPECT_EQ(placement.resident_windows, 4096);
  EXPECT_EQ(placement.gpu_bytes, enough);
  EXPECT_EQ(placement.host_bytes, 0);
}

TEST(PlacementTest, KeepsAsManyWholeTilesAsThereIsRoomFor) {
  const int64_t tile = kWideStreams / 4;
  for (const int64_t resident : {0, 1}) {
    const int64_t needed = WithReserve(kWideFixed + 2 * tile + resident * tile);
    const ActivationPlacement placement = PlaceActivations(Tiny(), WideSpec(), needed + 100);
    EXPECT_TRUE(placement.recomputes_hidden);
    EXPECT_EQ(placement.resident_windows, resident * 1024);
    EXPECT_EQ(placement.gpu_bytes, needed);
    EXPECT_EQ(placement.host_bytes, (4 - resident) * 3 * (int64_t{32768} * 2 * 64)) << "powers of two already";
  }
}

TEST(PlacementTest, SaysWhatIsNeededWhenNothingFits) {
  const ActivationPlacement placement = PlaceActivations(Tiny(), WideSpec(), 950 * kMib);
  EXPECT_EQ(placement.resident_windows, 0);
  EXPECT_EQ(placement.gpu_bytes, MemoryOf(Tiny(), WideSpec(), DeviceKind::kCuda).least_gpu_bytes);
  EXPECT_GT(placement.gpu_bytes, 950 * kMib);
}

TEST(PlacementTest, HasNothingToPlaceWithoutCalibration) {
  CompressSpec spec = WideSpec();
  spec.quantize.method = Method::kRtn;
  EXPECT_FALSE(PlaceActivations(Tiny(), spec, 0).recomputes_hidden);
}

TEST(MemoryTest, StaysPositiveForTheLargestModelThereMayBe) {
  const ModelConfig config = *ParseModelConfig(
      R"({"model_type": "llama", "hidden_size": 16777216, "intermediate_size": 16777216, "num_hidden_layers": 4096,
      "num_attention_heads": 8388608, "head_dim": 2, "vocab_size": 16777216, "max_position_embeddings": 16777216})");
  CompressSpec spec = Spec();
  spec.quantize.qep_alpha = 1;
  spec.calibration = {.num_samples = 1'000'000, .sequence_length = 10'000};
  spec.evaluation.max_tokens = 10'000'000'000;
  for (const DeviceKind device : {DeviceKind::kCpu, DeviceKind::kCuda})
    EXPECT_GT(MemoryOf(config, spec, device).host_bytes, int64_t{1} << 48);
  EXPECT_GT(MemoryOf(config, spec, DeviceKind::kCuda).gpu_bytes, int64_t{1} << 56);
  EXPECT_GT(WorkOf(config, spec, spec.evaluation.max_tokens).total(), 1e29);
}

TEST(WorkTest, CountsTheExpertsThatATokenMeetsAndSolvesThemAll) {
  const auto mixture = [](int experts, int per_token) {
    return *ParseModelConfig(absl::StrCat(R"({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 32,
        "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 100, "num_local_experts": )",
                                          experts, R"(, "num_experts_per_tok": )", per_token, "}"));
  };
  const double few = BlockForwardFlops(mixture(4, 1), 100, 10);
  EXPECT_DOUBLE_EQ(BlockForwardFlops(mixture(64, 1), 100, 10), few);
  EXPECT_DOUBLE_EQ(BlockForwardFlops(mixture(64, 3), 100, 10) - few, 100.0 * 2 * 2 * (3 * 64 * 32));
  const CompressSpec spec{
      .scheme = {.bits = 4, .group_size = 32}, .calibration = {.num_samples = 4}, .evaluation = {.skip = true}};
  EXPECT_GT(WorkOf(mixture(64, 1), spec, 0).solve, 5 * WorkOf(mixture(4, 1), spec, 0).solve);
}

}  // namespace
}  // namespace pivot
