// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_config.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/model_shapes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ModelConfigTest, ReadsTheFormOfTransformers4) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(R"({
    "architectures": ["LlamaForCausalLM"], "attention_bias": true, "eos_token_id": 2, "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 576, "intermediate_size": 1536, "max_position_embeddings": 8192, "mlp_bias": true, "model_type": "llama",
    "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "rms_norm_eps": 1e-05, "rope_scaling": null,
    "rope_theta": 100000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "vocab_size": 49152})"));
  EXPECT_EQ(config.architecture, FindArchitecture("llama"));
  EXPECT_EQ(config.hidden_size, 576);
  EXPECT_EQ(config.intermediate_size, 1536);
  EXPECT_EQ(config.num_blocks, 30);
  EXPECT_EQ(config.num_heads, 9);
  EXPECT_EQ(config.num_kv_heads, 3);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.vocab_size, 49152);
  EXPECT_EQ(config.max_positions, 8192);
  EXPECT_EQ(config.norm_eps, 1e-5);
  EXPECT_EQ(config.rope.theta, 100000.0);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_TRUE(config.attention_bias);
  EXPECT_TRUE(config.mlp_bias);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2));
  EXPECT_EQ(config.dtype, "bfloat16");
}

TEST(ModelConfigTest, ReadsTheFormOfTransformers5) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(R"({
    "model_type": "qwen2", "dtype": "float16", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "use_sliding_window": false,
    "layer_types": ["full_attention", "full_attention"], "eos_token_id": [7, 8],
    "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"}})"));
  EXPECT_EQ(config.architecture, FindArchitecture("qwen2"));
  EXPECT_EQ(config.rope.theta, 1e6);
  EXPECT_EQ(config.dtype, "float16");
  EXPECT_THAT(config.eos_token_ids, ElementsAre(7, 8));
}

constexpr char kLeast[] =
    R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                              "num_attention_heads": 4, "vocab_size": 300})";

TEST(ModelConfigTest, FillsInWhatTransformersFillsIn) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(kLeast));
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.max_positions, 2048);
  EXPECT_EQ(config.norm_eps, 1e-6);
  EXPECT_EQ(config.rope.theta, 10000.0);
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_FALSE(config.attention_bias);
  EXPECT_FALSE(config.mlp_bias);
  EXPECT_THAT(config.eos_token_ids, IsEmpty());
  EXPECT_EQ(config.dtype, "");
}

TEST(ModelConfigTest, TakesNullForAbsent) {
  std::string text = kLeast;
  text.insert(
      1,
      R"("num_key_value_heads": null, "head_dim": null, "rope_scaling": null, "rope_parameters": null, "rope_theta": null,
                    "torch_dtype": null, "eos_token_id": null, "partial_rotary_factor": null, "hidden_act": null,)");
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(text));
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.rope.theta, 10000.0);
}

TEST(ModelConfigTest, TakesPlainRotaryEmbeddingsHoweverTheyAreNamed) {
  for (const char* rope : {R"("rope_scaling": {"type": "default"})", R"("rope_scaling": {"rope_type": "default"})",
                           R"("rope_parameters": {})", R"("rope_theta": 10000, "partial_rotary_factor": 1)",
                           R"("rope_parameters": {"partial_rotary_factor": 1.0})"}) {
    std::string text = kLeast;
    text.insert(1, std::string(rope) + ",");
    EXPECT_OK(ParseModelConfig(text)) << rope;
  }
}

TEST(ModelConfigTest, PrefersTheNewerNameOfAValue) {
  std::string text = kLeast;
  text.insert(
      1,
      R"("rope_theta": 5.0, "rope_parameters": {"rope_theta": 7.0}, "torch_dtype": "float16", "dtype": "bfloat16",)");
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(text));
  EXPECT_EQ(config.rope.theta, 7.0);
  EXPECT_EQ(config.dtype, "bfloat16");
}

TEST(ModelConfigTest, LetsHeadsBeOfAnotherWidthThanTheirShare) {
  std::string text = kLeast;
  text.insert(1, R"("head_dim": 32, "num_key_value_heads": 2,)");
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(text));
  EXPECT_EQ(ShapeOf(config, LinearRole::kQuery).out_features, 128);
  EXPECT_EQ(ShapeOf(config, LinearRole::kQuery).in_features, 64);
  EXPECT_EQ(ShapeOf(config, LinearRole::kKey).out_features, 64);
  EXPECT_EQ(ShapeOf(config, LinearRole::kValue).out_features, 64);
  EXPECT_EQ(ShapeOf(config, LinearRole::kAttentionOutput).out_features, 64);
  EXPECT_EQ(ShapeOf(config, LinearRole::kAttentionOutput).in_features, 128);
  EXPECT_EQ(ShapeOf(config, LinearRole::kGate).out_features, 128);
  EXPECT_EQ(ShapeOf(config, LinearRole::kUp).in_features, 64);
  EXPECT_EQ(ShapeOf(config, LinearRole::kDown).out_features, 64);
  EXPECT_EQ(ShapeOf(config, LinearRole::kDown).in_features, 128);
}

std::vector<LinearRole> Biased(const ModelConfig& config) {
  std::vector<LinearRole> roles;
  for (const LinearEntry& linear : config.architecture->linears) {
    if (HasBias(config, linear.bias)) roles.push_back(linear.role);
  }
  return roles;
}

TEST(ModelConfigTest, KnowsWhichLinearsHaveABias) {
  ModelConfig llama{.architecture = FindArchitecture("llama")};
  EXPECT_THAT(Biased(llama), IsEmpty());
  llama.attention_bias = true;
  EXPECT_THAT(Biased(llama),
              ElementsAre(LinearRole::kQuery, LinearRole::kKey, LinearRole::kValue, LinearRole::kAttentionOutput));
  llama.attention_bias = false;
  llama.mlp_bias = true;
  EXPECT_THAT(Biased(llama), ElementsAre(LinearRole::kGate, LinearRole::kUp, LinearRole::kDown));
  const ModelConfig qwen2{.architecture = FindArchitecture("qwen2")};
  EXPECT_THAT(Biased(qwen2), ElementsAre(LinearRole::kQuery, LinearRole::kKey, LinearRole::kValue));
}

TEST(ModelConfigTest, ReadsTheTinyModels) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig llama, ParseModelConfig(TinyConfigJson({.attention_bias = true})));
  EXPECT_TRUE(llama.attention_bias);
  ASSERT_OK_AND_ASSIGN(const ModelConfig qwen2,
                       ParseModelConfig(TinyConfigJson({.model_type = "qwen2", .dtype = Dtype::kFloat32})));
  EXPECT_EQ(qwen2.dtype, "float32");
}

TEST(ModelConfigTest, FillsInWhatGooglesFilesOfGemma3LeaveOut) {
  // The whole text_config of gemma-3-4b-it.
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, ParseModelConfig(R"({"hidden_size": 2560, "intermediate_size": 10240,
      "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
      "sliding_window": 1024})"));
  EXPECT_EQ(config.num_heads, 8);
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 256);
  EXPECT_EQ(config.vocab_size, 262208);
  EXPECT_EQ(config.max_positions, 131072);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_EQ(config.rope.theta, 1e6);
  EXPECT_EQ(config.sliding_rope.theta, 1e4);
  for (int block = 0; block < 34; ++block)
    EXPECT_EQ(config.attention[static_cast<size_t>(block)].slides, (block + 1) % 6 != 0) << block;
}

}  // namespace
}  // namespace pivot
