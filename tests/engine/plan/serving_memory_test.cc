// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/serving_memory.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/model/model_folder.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMib = int64_t{1} << 20;
constexpr int64_t kGib = int64_t{1} << 30;

ModelConfig Llama8B() {
  return *ParseModelConfig(R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
      "max_position_embeddings": 8192})");
}

/// 26 blocks, every second of which slides.
ModelConfig Gemma2() {
  return *ParseModelConfig(R"({"model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216,
      "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
      "vocab_size": 256000, "max_position_embeddings": 8192, "sliding_window": 4096})");
}

TEST(ServingMemoryTest, CountsWhatLlama8BNeeds) {
  const ServingMemory memory = ServingMemoryOf(Llama8B(), 8192);
  EXPECT_EQ(memory.kv_cache_bytes, kGib) << "128 KiB a token";
  // 2048 tokens of 2 * 4096 + 3 * 14336 values, and two rows of logits.
  const int64_t activations = int64_t{2048} * 2 * (8192 + 43008) + int64_t{128256} * 8;
  EXPECT_EQ(activations, 210'741'248);
  EXPECT_EQ(memory.activation_bytes, activations + activations / 4);
  EXPECT_EQ(memory.overhead_bytes, 1280 * kMib);
  EXPECT_EQ(memory.total(), kGib + 263'426'560 + 1280 * kMib);
}

TEST(ServingMemoryTest, ComputesAShortPromptAtOnce) {
  const ServingMemory memory = ServingMemoryOf(Llama8B(), 100);
  EXPECT_EQ(memory.kv_cache_bytes, 100 * 128 * 1024);
  const int64_t activations = int64_t{100} * 2 * (8192 + 43008) + int64_t{128256} * 8;
  EXPECT_EQ(memory.activation_bytes, activations + activations / 4);
}

TEST(ServingMemoryTest, HoldsNoMoreThanTheWindowWhereBlocksSlide) {
  const ModelConfig config = Gemma2();
  // A token takes 2 * 2 * 4 * 256 bytes in a block.
  EXPECT_EQ(ServingMemoryOf(config, 4096).kv_cache_bytes, int64_t{4096} * 26 * 4096);
  EXPECT_EQ(ServingMemoryOf(config, 4097).kv_cache_bytes, int64_t{4096} * (13 * 4096 + 13 * 4097));
  EXPECT_EQ(ServingMemoryOf(config, 8192).kv_cache_bytes, int64_t{4096} * (13 * 4096 + 13 * 8192));
}

TEST(ServingMemoryTest, CountsTheExpertsThatATokenMeets) {
  const auto mixture = [](int experts, int per_token) {
    return *ParseModelConfig(absl::StrCat(R"({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 32,
        "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 100, "num_local_experts": )",
                                          experts, R"(, "num_experts_per_tok": )", per_token, "}"));
  };
  // 3 * (3 * 32 + 64) values of the experts are more than the 2 * 64 + 2 * 64 of attention.
  const int64_t activations = int64_t{10} * 2 * (2 * 64 + 3 * 160) + int64_t{100} * 8;
  EXPECT_EQ(ServingMemoryOf(mixture(8, 3), 10).activation_bytes, activations + activations / 4);
  EXPECT_EQ(ServingMemoryOf(mixture(64, 3), 10).total(), ServingMemoryOf(mixture(8, 3), 10).total());
  const int64_t attention = int64_t{10} * 2 * (2 * 64 + 4 * 64) + int64_t{100} * 8;
  EXPECT_EQ(ServingMemoryOf(mixture(8, 1), 10).activation_bytes, attention + attention / 4);
}

TEST(ServingMemoryTest, StaysPositiveForTheLargestModelThereMayBe) {
  const ModelConfig config = *ParseModelConfig(
      R"({"model_type": "llama", "hidden_size": 16777216, "intermediate_size": 16777216, "num_hidden_layers": 4096,
      "num_attention_heads": 8388608, "head_dim": 2, "vocab_size": 16777216, "max_position_embeddings": 16777216})");
  EXPECT_GT(ServingMemoryOf(config, config.max_positions).total(), int64_t{1} << 61);
}

TEST(WeightBudgetTest, IsWhatIsLeft) {
  const int64_t needed = ServingMemoryOf(Llama8B(), 8192).total();
  ASSERT_OK_AND_ASSIGN(const int64_t budget, WeightBudget(Llama8B(), 8 * kGib, 8192));
  EXPECT_EQ(budget, 8 * kGib - needed);
  EXPECT_EQ(WeightBudget(Llama8B(), needed + 1, 8192).value_or(0), 1);
  EXPECT_EQ(WeightBudget(Llama8B(), needed + 1000, 8192, 1000).value_or(0), 1000);
}

TEST(WeightBudgetTest, NamesWhatIsMissingAndTheContextThatFits) {
  const int64_t short_of = ServingMemoryOf(Llama8B(), 8000).total();
  const auto refused = WeightBudget(Llama8B(), short_of + 3 * kGib, 8192, 3 * kGib);
  EXPECT_EQ(ReasonOf(refused.status()), "INVALID_SPEC");
  EXPECT_EQ(FieldOf(refused.status()), "job.spec.compress.vram_bytes");
  // 192 tokens of 128 KiB.
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("which is 25165824 bytes too few: beside at least 3221225472 bytes of weights a "
                                 "context of 8192 tokens takes 1073741824 for keys and values, 263426560 for "
                                 "activations and the runtime 1342177280; a context of 8000 tokens would fit")));
  EXPECT_EQ(WeightBudget(Llama8B(), short_of + 3 * kGib, 8000, 3 * kGib).value_or(0), 3 * kGib) << "it does fit";
  EXPECT_FALSE(WeightBudget(Llama8B(), short_of + 3 * kGib, 8001, 3 * kGib).ok()) << "and no longer one does";
}

TEST(WeightBudgetTest, SaysThatNoContextFits) {
  for (const int64_t vram : {int64_t{0}, int64_t{-1}, kGib}) {
    EXPECT_THAT(WeightBudget(Llama8B(), vram, 1),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no context would fit")));
  }
}

TEST(WeightBudgetTest, KeepsToTheModelsPositions) {
  for (const int64_t context : {0, -5, 8193}) {
    const auto refused = WeightBudget(Llama8B(), 80 * kGib, context);
    EXPECT_THAT(refused.status().message(), HasSubstr("allowed: 1 to the model's 8192 positions"));
    EXPECT_EQ(FieldOf(refused.status()), "job.spec.compress.context_tokens");
  }
}

TEST(WeightBudgetTest, KnowsNothingOfFamiliesThatAreNotInTheTable) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder / "model"));
  nlohmann::json config = nlohmann::json::parse(*ReadSmallFile(folder / "model/config.json", 1 << 20));
  config["model_type"] = "transmogrifier";
  folder.Write("model/config.json", config.dump());
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, ModelFolder::Open(folder / "model"));
  EXPECT_EQ(ReasonOf(WeightBudget(model.config(), 80 * kGib, 100).status()), "UNSUPPORTED_ARCHITECTURE");
}

}  // namespace
}  // namespace pivot
