// SPDX-License-Identifier: Apache-2.0
// What is written into config.json, and that it says the same when it is read.
#include "engine/format/quantization_config.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;

ModelConfig ConfigOf(const Architecture& architecture) { return {.architecture = &architecture, .num_blocks = 3}; }

nlohmann::ordered_json UniformJson(const Architecture& architecture, const WeightScheme& scheme) {
  const ModelConfig config = ConfigOf(architecture);
  return PackQuantizedJson(config, ModelSchemes::Uniform(config, scheme));
}

PackQuantizedConfig Written(const Architecture& architecture, const WeightScheme& scheme) {
  const auto parsed = ParsePackQuantized(json::parse(UniformJson(architecture, scheme).dump()));
  EXPECT_OK(parsed);
  return *parsed;
}

TEST(QuantizationConfigTest, IsWrittenInTheFormOfCompressedTensors) {
  EXPECT_EQ(UniformJson(*FindArchitecture("llama"), {.bits = 3, .group_size = 64}).dump(1), R"({
 "quant_method": "compressed-tensors",
 "format": "pack-quantized",
 "quantization_status": "compressed",
 "global_compression_ratio": null,
 "kv_cache_scheme": null,
 "version": "0.18.0",
 "ignore": [
  "lm_head"
 ],
 "config_groups": {
  "group_0": {
   "targets": [
    "re:.*layers\\.\\d+\\.self_attn\\.(q_proj|k_proj|v_proj|qkv_proj|o_proj)$",
    "re:.*layers\\.\\d+\\.mlp\\.(gate_proj|up_proj|gate_up_proj|down_proj)$"
   ],
   "weights": {
    "num_bits": 3,
    "type": "int",
    "symmetric": true,
    "strategy": "group",
    "group_size": 64,
    "dynamic": false
   },
   "input_activations": null,
   "output_activations": null,
   "format": "pack-quantized"
  }
 }
})");
}

TEST(QuantizationConfigTest, MatchesEveryLinearAndWhatItIsFusedTo) {
  for (const Architecture& architecture : Architectures()) {
    const WeightScheme scheme{.bits = 5, .group_size = 32};
    const PackQuantizedConfig config = Written(architecture, scheme);
    for (const int block : {0, 9, 31, 126}) {
      const std::string prefix = BlockPrefix(architecture, block);
      std::vector<std::string> names;
      for (const LinearEntry& linear : architecture.linears) names.push_back(prefix + std::string(linear.name));
      for (const LinearGroup& group : architecture.groups) {
        if (!group.fused_name.empty()) names.push_back(prefix + std::string(group.fused_name));
      }
      const auto several = std::count_if(architecture.groups.begin(), architecture.groups.end(),
                                         [](const LinearGroup& group) { return group.members.size() > 1; });
      EXPECT_EQ(names.size(), architecture.linears.size() + static_cast<size_t>(several));
      if (architecture.model_type == "llama") {
        EXPECT_EQ(names.size(), 9U);
      }
      for (const std::string& name : names) {
        ASSERT_NE(config.SchemeOf(name), nullptr) << name;
        EXPECT_EQ(*config.SchemeOf(name), scheme);
        EXPECT_NE(config.SchemeOf("language_model." + name), nullptr) << "a model inside another one";
      }
    }
  }
}

TEST(QuantizationConfigTest, MatchesNothingElse) {
  for (const Architecture& architecture : Architectures()) {
    const PackQuantizedConfig config = Written(architecture, {.bits = 4, .group_size = 128});
    for (const char* name : {"",
                             "lm_head",
                             "model.embed_tokens",
                             "model.norm",
                             "model.layers.0.input_layernorm",
                             "model.layers.0.post_attention_layernorm",
                             "model.layers.0.self_attn",
                             "model.layers.0.mlp",
                             "model.layers.0.self_attn.q_proj.lora_A",
                             "model.layers.0.self_attn.q_projx",
                             "model.layers.0.self_attn.xq_proj",
                             "model.layers.0.self_attn.rotary_emb",
                             "model.layers.0.mlp.gate",
                             "model.layers.0.mlp.q_proj",
                             "model.layers.0.self_attn.gate_proj",
                             "model.layers.x.self_attn.q_proj",
                             "model.layers..self_attn.q_proj",
                             "model.layers.0.self_attnxq_proj",
                             "self_attn.q_proj",
                             "visual.blocks.0.attn.qkv_proj",
                             "model.layers.0.mlp.experts.3.gate_proj"}) {
      EXPECT_EQ(config.SchemeOf(name), nullptr) << name;
    }
  }
}

TEST(QuantizationConfigTest, SurvivesTheWayThroughJsonForEveryScheme) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    for (const int64_t group_size : {16, 32, 64, 128, 4096}) {
      const WeightScheme scheme{.bits = bits, .group_size = group_size};
      EXPECT_EQ(*Written(*FindArchitecture("qwen2"), scheme).SchemeOf("model.layers.0.mlp.down_proj"), scheme);
    }
  }
}

TEST(QuantizationConfigTest, SurvivesTheWayThroughJsonForFloats) {
  WeightScheme tensor = *FloatScheme("fp8");
  tensor.row_group = 0;
  WeightScheme block = *FloatScheme("fp8");
  block.row_group = 128;
  block.group_size = 64;
  for (const WeightScheme& scheme : {*FloatScheme("fp8"), tensor, block, *FloatScheme("nvfp4"), *FloatScheme("mxfp4")})
    EXPECT_EQ(*Written(*FindArchitecture("llama"), scheme).SchemeOf("model.layers.0.mlp.down_proj"), scheme);
}

TEST(QuantizedConfigTest, KeepsTheOrderOfKeysAndDropsPointersToCode) {
  constexpr char kSource[] =
      R"({"zeta": 1, "model_type": "llama", "auto_map": {"AutoModel": "modeling_x.X"}, "alpha": [1, 2], "middle": null})";
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       WithQuantizationConfig(kSource, UniformJson(*FindArchitecture("llama"), {})));
  const auto config = nlohmann::ordered_json::parse(text);
  std::vector<std::string> keys;
  for (const auto& [key, value] : config.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"zeta", "model_type", "alpha", "middle", "quantization_config"}));
  EXPECT_EQ(config["quantization_config"], UniformJson(*FindArchitecture("llama"), {}));
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.substr(0, 13), "{\n  \"zeta\": 1");
}

TEST(QuantizedConfigTest, KeepsNumbersAndTextAsTheyWere) {
  constexpr char kSource[] =
      R"({"rms_norm_eps": 1e-05, "rope_theta": 100000.0, "big": 9007199254740993, "fraction": 0.1, "text": "é \"x\""})";
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       WithQuantizationConfig(kSource, UniformJson(*FindArchitecture("llama"), {})));
  for (const char* kept : {"\"rms_norm_eps\": 1e-05,", "\"rope_theta\": 100000.0,", "\"big\": 9007199254740993,",
                           "\"fraction\": 0.1,", R"("text": "é \"x\"")"}) {
    EXPECT_THAT(text, HasSubstr(kept));
  }
}

TEST(QuantizedConfigTest, ReplacesAnEarlierQuantization) {
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       WithQuantizationConfig(R"({"quantization_config": {"quant_method": "gptq"}, "a": 1})",
                                              UniformJson(*FindArchitecture("llama"), {})));
  EXPECT_EQ(json::parse(text)["quantization_config"]["quant_method"], "compressed-tensors");
}

TEST(QuantizedConfigTest, NeedsAnObject) {
  for (const char* text : {"", "[]", "{", "5"}) {
    EXPECT_THAT(WithQuantizationConfig(text, UniformJson(*FindArchitecture("llama"), {})),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a JSON object")));
  }
}

}  // namespace
}  // namespace pivot
