// SPDX-License-Identifier: Apache-2.0
// Numbers worked out by hand for the model of work_test.cc, in fp32: a block has 36,864 weights, its largest layer
// 8,192. Tensors of the heap count for 1.3 times their bytes. tests/integration/estimates_test.py holds the sums
// against whole jobs.
#include "engine/plan/cpu_memory.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

constexpr int64_t kMib = int64_t{1} << 20;
constexpr int64_t kEnds = int64_t{320} * 64;
constexpr int64_t kProgram = 150 * kMib;
constexpr int64_t kTokenizer = int64_t{320} * 1024;

ModelConfig Model(const TinyModelOptions& options = {}) { return *ParseModelConfig(TinyConfigJson(options)); }

CompressSpec Spec() {
  return {.scheme = {.bits = 4, .group_size = 64},
          .quantize = {.qep_alpha = 0.5, .qep_residual = 0.5},
          .calibration = {.num_samples = 8, .sequence_length = 32},
          .evaluation = {.skip = true}};
}

int64_t Wasted(int64_t bytes) { return bytes + bytes / 10 * 3; }

TEST(CpuMemoryTest, AddsUpTheLayerwiseStage) {
  // The source's pages of two blocks and the embedding.
  const int64_t mapped = (2 * 36864 + kEnds) * 2;
  // Five layers' worth of weights: written, read ahead, as they were and quantized.
  const int64_t weights = Wasted(8192 * 3 * 5) + Wasted(8192 * 4 * 3 * 5);
  const int64_t streams = Wasted(256 * 4 * 64 * 2) + Wasted(256 * 4 * 64) + Wasted(256 * 4 * 128);
  const int64_t step =
      Wasted(256 * 4 * 128 * 5) + Wasted(256 * 4 * 64 * 2) + Wasted(128 * 128 * 4 * 3) + Wasted(128 * 64 * 4);
  const int64_t layerwise = kProgram + kTokenizer + mapped + weights + streams + step;
  const int64_t found = CpuMemoryOf(Model(), Spec());
  EXPECT_NEAR(static_cast<double>(found), static_cast<double>(layerwise), 200) << "shares of ten are rounded down";
}

TEST(CpuMemoryTest, CountsTheFolderThatIsCompared) {
  CompressSpec spec = Spec();
  spec.quantize.method = Method::kRtn;
  // Large ends beside a small block: pages of both, of the source and of what was written.
  const int64_t tied = CpuMemoryOf(Model({.vocab_size = 200'000}), spec);
  EXPECT_EQ(tied - CpuMemoryOf(Model({.vocab_size = 100'000}), spec), 2 * int64_t{100'000} * 64 * 2);
  const int64_t untied = CpuMemoryOf(Model({.vocab_size = 200'000, .tied_embeddings = false}), spec);
  EXPECT_EQ(untied - tied, 2 * int64_t{200'000} * 64 * 2);
  EXPECT_GT(tied, kProgram + 2 * int64_t{200'000} * 64 * 2);
}

TEST(CpuMemoryTest, CountsTheEvaluationWhenItIsTheLarger) {
  CompressSpec spec = Spec();
  spec.quantize.method = Method::kRtn;
  spec.evaluation = {.max_tokens = 1'000'000};
  const int64_t few = CpuMemoryOf(Model(), spec);
  spec.evaluation.max_tokens = 3'000'000;
  EXPECT_EQ(CpuMemoryOf(Model(), spec) - few, int64_t{2} * 64 * 4 * 2'000'000);
}

TEST(CpuMemoryTest, TakesHalfInBfloat16WhereTensorsAreMapped) {
  CompressSpec spec = Spec();
  spec.quantize.method = Method::kRtn;
  spec.evaluation = {.max_tokens = 1'000'000};
  const int64_t wide = CpuMemoryOf(Model(), spec);
  spec.dtype = ComputeDtype::kBfloat16;
  EXPECT_GT(wide - CpuMemoryOf(Model(), spec), int64_t{2} * 64 * 2 * 1'000'000);
}

TEST(CpuMemoryTest, WastesNothingOfTensorsThatAreMapped) {
  CompressSpec spec = Spec();
  spec.calibration.num_samples = 1'000'000;
  const int64_t tokens = spec.calibration.num_tokens();
  const int64_t before = CpuMemoryOf(Model(), spec);
  spec.calibration.num_samples = 2'000'000;
  EXPECT_EQ(CpuMemoryOf(Model(), spec) - before, tokens * 4 * (64 * 2 + 64 + 128));
}

TEST(CpuMemoryTest, HoldsAllExperts) {
  const auto mixture = [](int experts) {
    return *ParseModelConfig(absl::StrCat(R"({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 32,
        "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 100, "num_local_experts": )",
                                          experts, R"(, "num_experts_per_tok": 1})"));
  };
  const CompressSpec spec{
      .scheme = {.bits = 4, .group_size = 32}, .calibration = {.num_samples = 4}, .evaluation = {.skip = true}};
  // A block as read and as quantized, one that is read ahead and one that is written, and pages of two.
  EXPECT_GE(CpuMemoryOf(mixture(64), spec) - CpuMemoryOf(mixture(4), spec), 60 * 3 * 64 * 32 * (3 * 4 + 3 + 2 * 2));
}

}  // namespace
}  // namespace pivot
