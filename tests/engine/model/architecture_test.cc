// SPDX-License-Identifier: Apache-2.0
#include "engine/model/architecture.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;

TEST(ArchitectureTest, IsFoundByItsModelType) {
  std::vector<std::string> names;
  for (const Architecture& architecture : Architectures()) {
    names.emplace_back(architecture.model_type);
    EXPECT_EQ(FindArchitecture(architecture.model_type), &architecture);
  }
  EXPECT_THAT(names, ElementsAre("llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3_text",
                                 "phi3", "opt", "olmo2", "granite", "starcoder2", "stablelm", "phi", "gpt_neox",
                                 "qwen3_moe", "mixtral"));
  EXPECT_EQ(FindArchitecture("gpt2"), nullptr);
  EXPECT_EQ(FindArchitecture(""), nullptr);
  EXPECT_EQ(FindArchitecture("Llama"), nullptr);
}

TEST(ArchitectureTest, NamesTensorsAsHuggingFaceDoes) {
  const Architecture& llama = *FindArchitecture("llama");
  EXPECT_EQ(BlockPrefix(llama, 0), "model.layers.0.");
  EXPECT_EQ(BlockPrefix(llama, 31), "model.layers.31.");
  EXPECT_EQ(llama.linear(LinearRole::kQuery).name, "self_attn.q_proj");
  EXPECT_EQ(llama.linear(LinearRole::kKey).name, "self_attn.k_proj");
  EXPECT_EQ(llama.linear(LinearRole::kValue).name, "self_attn.v_proj");
  EXPECT_EQ(llama.linear(LinearRole::kAttentionOutput).name, "self_attn.o_proj");
  EXPECT_EQ(llama.linear(LinearRole::kGate).name, "mlp.gate_proj");
  EXPECT_EQ(llama.linear(LinearRole::kUp).name, "mlp.up_proj");
  EXPECT_EQ(llama.linear(LinearRole::kDown).name, "mlp.down_proj");
  EXPECT_EQ(llama.embedding, "model.embed_tokens.weight");
  EXPECT_EQ(llama.final_norm, "model.norm");
  EXPECT_EQ(llama.head, "lm_head.weight");
  EXPECT_EQ(FindArchitecture("qwen2")->class_name, "Qwen2ForCausalLM");
}

TEST(ArchitectureTest, PutsEveryLinearIntoOneGroup) {
  for (const Architecture& architecture : Architectures()) {
    std::multiset<LinearRole> grouped;
    std::set<BlockInput> inputs;
    for (const LinearGroup& group : architecture.groups) {
      grouped.insert(group.members.begin(), group.members.end());
      EXPECT_TRUE(inputs.insert(group.input).second) << "linears that read one input are one group";
      EXPECT_EQ(group.fused_name.empty(), group.members.size() == 1);
    }
    std::multiset<LinearRole> all;
    for (const LinearEntry& linear : architecture.linears) all.insert(linear.role);
    EXPECT_EQ(grouped, all) << architecture.model_type;
    EXPECT_EQ(std::set<LinearRole>(all.begin(), all.end()).size(), all.size());
  }
}

}  // namespace
}  // namespace pivot
