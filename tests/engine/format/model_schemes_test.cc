// SPDX-License-Identifier: Apache-2.0
#include "engine/format/model_schemes.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr WeightScheme kFour{.bits = 4, .group_size = 128};
constexpr WeightScheme kEight{.bits = 8, .group_size = 128};

ModelConfig Config() { return {.architecture = FindArchitecture("llama"), .num_blocks = 4}; }

TEST(ModelSchemesTest, ListsTheMostCommonSchemeFirst) {
  ModelSchemes schemes = ModelSchemes::Uniform(Config(), kFour);
  schemes.Set(0, LinearRole::kDown, kEight);
  EXPECT_THAT(schemes.Distinct(), ElementsAre(kFour, kEight));
  EXPECT_THAT(ModelSchemes(Config()).Distinct(), IsEmpty());
}

TEST(ModelSchemesTest, NamesNoBlocksWhenAllAreAlike) {
  EXPECT_THAT(LayerExpressions(Config(), ModelSchemes::Uniform(Config(), kFour), kFour),
              ElementsAre(R"(.*layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj|o_proj)$)",
                          R"(.*layers\.\d+\.mlp\.(gate_proj|up_proj|gate_up_proj|down_proj)$)"));
}

TEST(ModelSchemesTest, NamesLayersThatAreInTheBlockItself) {
  const ModelConfig config{.architecture = FindArchitecture("opt"), .num_blocks = 2};
  EXPECT_THAT(LayerExpressions(config, ModelSchemes::Uniform(config, kFour), kFour),
              ElementsAre(R"(.*layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj|out_proj)$)",
                          R"(.*layers\.\d+\.(fc1|fc2)$)"));
}

TEST(ModelSchemesTest, NamesTheBlocksThatDiffer) {
  ModelSchemes schemes = ModelSchemes::Uniform(Config(), kFour);
  for (const int block : {1, 3}) schemes.Set(block, LinearRole::kDown, kEight);
  EXPECT_THAT(LayerExpressions(Config(), schemes, kEight), ElementsAre(R"(.*layers\.(1|3)\.mlp\.(down_proj)$)"));
  EXPECT_THAT(LayerExpressions(Config(), schemes, kFour),
              ElementsAre(R"(.*layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj|o_proj)$)",
                          R"(.*layers\.(0|2)\.mlp\.(gate_proj|up_proj|gate_up_proj|down_proj)$)",
                          R"(.*layers\.(1|3)\.mlp\.(gate_proj|up_proj|gate_up_proj)$)"));
}

TEST(ModelSchemesTest, NamesLayersThatArePlain) {
  ModelSchemes schemes = ModelSchemes::Uniform(Config(), kFour);
  EXPECT_THAT(LayerExpressions(Config(), schemes, std::nullopt), IsEmpty());
  for (const LinearRole role : {LinearRole::kQuery, LinearRole::kKey, LinearRole::kValue})
    schemes.Set(2, role, std::nullopt);
  EXPECT_THAT(LayerExpressions(Config(), schemes, std::nullopt),
              ElementsAre(R"(.*layers\.(2)\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj)$)"));
}

ModelConfig Mixture(const char* family) {
  return {.architecture = FindArchitecture(family),
          .num_blocks = 3,
          .experts = {.count = 2, .per_token = 1, .intermediate_size = 8, .in_block = {true, false, true}}};
}

TEST(ModelSchemesTest, NamesAllExpertsAtOnceAndTheRouterAsPlain) {
  const ModelConfig config = Mixture("qwen3_moe");
  const ModelSchemes schemes = ModelSchemes::Uniform(config, kFour);
  EXPECT_THAT(LayerExpressions(config, schemes, kFour),
              ElementsAre(R"(.*layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj|o_proj)$)",
                          R"(.*layers\.(0|2)\.mlp\.experts\.\d+\.(gate_proj|up_proj|down_proj)$)",
                          R"(.*layers\.(1)\.mlp\.(gate_proj|up_proj|gate_up_proj|down_proj)$)"));
  EXPECT_THAT(LayerExpressions(config, schemes, std::nullopt), ElementsAre(R"(.*layers\.(0|2)\.mlp\.(gate)$)"));
}

TEST(ModelSchemesTest, NamesExpertsAsVllmLooksForThemToo) {
  ModelConfig config = Mixture("mixtral");
  config.experts.in_block = {true, true, true};
  EXPECT_THAT(
      LayerExpressions(config, ModelSchemes::Uniform(config, kFour), kFour),
      ::testing::Contains(R"(.*layers\.\d+\.block_sparse_moe\.experts\.\d+\.(w1|w3|w2|gate_proj|up_proj|down_proj)$)"));
}

}  // namespace
}  // namespace pivot
