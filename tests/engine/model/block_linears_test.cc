// SPDX-License-Identifier: Apache-2.0
#include "engine/model/block_linears.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

json Qwen3Moe() {
  return json::parse(R"({"model_type": "qwen3_moe", "hidden_size": 64, "intermediate_size": 96,
      "moe_intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
      "vocab_size": 300, "num_experts": 3, "num_experts_per_tok": 2})");
}

absl::StatusOr<ModelConfig> Parse(const char* changes) {
  json config = Qwen3Moe();
  config.merge_patch(json::parse(changes));
  return ParseModelConfig(config.dump());
}

std::vector<std::string> Names(const ModelConfig& config, int block) {
  std::vector<std::string> names;
  for (const BlockLinear& linear : BlockLinears(config, block)) names.push_back(linear.module);
  return names;
}

TEST(BlockLinearsTest, HaveTheExpertsOneAfterTheOther) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, Parse("{}"));
  const std::string experts = "model.layers.2.mlp.experts.";
  EXPECT_THAT(Names(config, 2), ElementsAre("model.layers.2.self_attn.q_proj", "model.layers.2.self_attn.k_proj",
                                            "model.layers.2.self_attn.v_proj", "model.layers.2.self_attn.o_proj",
                                            experts + "0.gate_proj", experts + "0.up_proj", experts + "0.down_proj",
                                            experts + "1.gate_proj", experts + "1.up_proj", experts + "1.down_proj",
                                            experts + "2.gate_proj", experts + "2.up_proj", experts + "2.down_proj"));
  const BlockLinear down = BlockLinears(config, 2).back();
  EXPECT_EQ(down.expert, 2);
  EXPECT_EQ(down.shape.in_features, 48);
  EXPECT_EQ(down.shape.out_features, 64);
}

TEST(BlockLinearsTest, MixtralCallsThemByItsOwnNames) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, Parse(R"({"model_type": "mixtral", "num_local_experts": 2})"));
  EXPECT_TRUE(config.experts.renormalizes);
  EXPECT_EQ(config.experts.intermediate_size, 96) << "of intermediate_size";
  EXPECT_EQ(config.experts.count, 2);
  EXPECT_THAT(Names(config, 0),
              AllOf(Contains("model.layers.0.block_sparse_moe.experts.1.w3"), Not(Contains(HasSubstr("gate_proj")))));
  EXPECT_EQ(RouterTensor(config, 1)->name, "model.layers.1.block_sparse_moe.gate.weight");
}

TEST(BlockLinearsTest, TheConfigurationSaysWhichBlocksHaveAnMlp) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig listed, Parse(R"({"mlp_only_layers": [1, 2]})"));
  EXPECT_THAT(listed.experts.in_block, ElementsAre(true, false, false, true));
  EXPECT_THAT(Names(listed, 1), AllOf(Contains("model.layers.1.mlp.gate_proj"), Not(Contains(HasSubstr("experts")))));
  EXPECT_FALSE(RouterTensor(listed, 1).has_value());
  ASSERT_OK_AND_ASSIGN(const ModelConfig stepped, Parse(R"({"decoder_sparse_step": 2, "mlp_only_layers": [3]})"));
  EXPECT_THAT(stepped.experts.in_block, ElementsAre(false, true, false, false));
}

TEST(BlockLinearsTest, AreFoundByTheirNamesInTheBlock) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, Parse(R"({"mlp_only_layers": [1]})"));
  for (int block = 0; block < 2; ++block) {
    for (const BlockLinear& linear : BlockLinears(config, block)) {
      const std::string name = linear.module.substr(BlockPrefix(*config.architecture, block).size());
      EXPECT_EQ(FindLinear(config, block, name), linear.role) << name;
      EXPECT_EQ(LinearModule(config, block, linear.role, linear.expert), linear.module);
    }
  }
  for (const char* name :
       {"mlp.gate_proj", "mlp.gate", "mlp.experts.3.up_proj", "mlp.experts.-1.up_proj", "mlp.experts.up_proj",
        "mlp.experts.0", "mlp.experts.0.w1", "mlp.experts.0.up_proj.more", ""})
    EXPECT_FALSE(FindLinear(config, 0, name).has_value()) << name;
  EXPECT_FALSE(FindLinear(config, 1, "mlp.experts.0.up_proj").has_value()) << "this block has an MLP";
}

TEST(BlockLinearsTest, GroupsHoldEveryLinearOnce) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, Parse(R"({"mlp_only_layers": [1]})"));
  for (int block = 0; block < 2; ++block) {
    std::set<std::string> grouped;
    for (const BlockGroup& group : BlockGroups(config, block)) {
      for (const LinearRole role : group.members)
        EXPECT_TRUE(grouped.insert(LinearModule(config, block, role, group.expert)).second);
    }
    const std::vector<std::string> names = Names(config, block);
    EXPECT_EQ(grouped, std::set<std::string>(names.begin(), names.end()));
  }
  EXPECT_EQ(ModelLinears(config).size(), 10U) << "four of attention, three of an MLP, three of an expert";
}

struct Refusal {
  const char* name;
  const char* members;
  const char* problem;
};

class ExpertsRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ExpertsRefusalTest, SaysWhatIsWrong) {
  const auto parsed = Parse(GetParam().members);
  EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().problem)));
}

INSTANTIATE_TEST_SUITE_P(
    Experts, ExpertsRefusalTest,
    ::testing::Values(Refusal{"none", R"({"num_experts": 0})", "num_experts is 0"},
                      Refusal{"too_many", R"({"num_experts": 1000000})", "num_experts is 1000000"},
                      Refusal{"more_than_there_are", R"({"num_experts_per_tok": 4})", "num_experts_per_tok is 4 of 3"},
                      Refusal{"to_none", R"({"num_experts_per_tok": 0})", "num_experts_per_tok is 0"},
                      Refusal{"no_width", R"({"moe_intermediate_size": -1})", "moe_intermediate_size is -1"},
                      Refusal{"no_step", R"({"decoder_sparse_step": 0})", "decoder_sparse_step is 0"},
                      Refusal{"no_list", R"({"mlp_only_layers": "none"})", "mlp_only_layers must be a list"},
                      Refusal{"sliding", R"({"use_sliding_window": true})", "use_sliding_window true"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

}  // namespace
}  // namespace pivot
