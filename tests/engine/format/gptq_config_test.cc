// SPDX-License-Identifier: Apache-2.0
#include "engine/format/gptq_config.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/format/module_expression.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr WeightScheme kFour{.bits = 4, .group_size = 128};
constexpr WeightScheme kEight{.bits = 8, .group_size = 32};
constexpr char kDown1[] = "model.layers.1.mlp.down_proj";
constexpr char kUp2[] = "model.layers.2.mlp.up_proj";
constexpr char kQuery0[] = "model.layers.0.self_attn.q_proj";

ModelConfig Config() { return {.architecture = FindArchitecture("llama"), .num_blocks = 3}; }

/// Block 1's down projection has eight bits, block 2's MLP input is plain.
ModelSchemes Mixed() {
  ModelSchemes schemes = ModelSchemes::Uniform(Config(), kFour);
  schemes.Set(1, LinearRole::kDown, kEight);
  schemes.Set(2, LinearRole::kGate, std::nullopt);
  schemes.Set(2, LinearRole::kUp, std::nullopt);
  return schemes;
}

json Written(const ModelSchemes& schemes, CodeLayout layout = CodeLayout::kGptqV1) {
  return json::parse(GptqJson(Config(), schemes, layout).dump());
}

TEST(GptqConfigTest, IsWrittenInTheFormOfGptqModel) {
  const json object = Written(ModelSchemes::Uniform(Config(), kFour));
  EXPECT_EQ(object["quant_method"], "gptq");
  EXPECT_EQ(object["bits"], 4);
  EXPECT_EQ(object["group_size"], 128);
  EXPECT_EQ(object["sym"], true);
  EXPECT_EQ(object["desc_act"], false);
  EXPECT_EQ(object["lm_head"], false);
  EXPECT_EQ(object["checkpoint_format"], "gptq");
  EXPECT_FALSE(object.contains("dynamic")) << "nothing differs";
  EXPECT_THAT(object["meta"]["quantizer"][0].get<std::string>(), StartsWith("pivot:"));
}

TEST(GptqConfigTest, SurvivesTheWayThroughJson) {
  for (const CodeLayout layout : {CodeLayout::kGptqV1, CodeLayout::kGptqV2}) {
    ASSERT_OK_AND_ASSIGN(const GptqConfig config, ParseGptq(Written(Mixed(), layout)));
    EXPECT_EQ(config.layout, layout);
    EXPECT_EQ(config.SchemeOf(kQuery0), kFour);
    EXPECT_EQ(config.SchemeOf(kDown1), kEight);
    EXPECT_EQ(config.SchemeOf(kUp2), std::nullopt);
  }
}

TEST(GptqConfigTest, PutsExclusionsFirstSinceSomeReadersKeepTheOrder) {
  const auto object = GptqJson(Config(), Mixed(), CodeLayout::kGptqV1);
  ASSERT_EQ(object["dynamic"].size(), 2U);
  EXPECT_THAT(object["dynamic"].begin().key(), StartsWith("-:"));
  EXPECT_THAT(std::next(object["dynamic"].begin()).key(), StartsWith("+:"));
}

TEST(GptqConfigTest, CoversTheNamesOfFusedLayers) {
  const json object = Written(Mixed());
  const std::string key = object["dynamic"].begin().key();
  EXPECT_TRUE(MatchesAtStart(key.substr(2), "model.layers.1.mlp.down_proj"));
  bool covers_fused = false;
  for (const auto& [expression, value] : object["dynamic"].items())
    covers_fused = covers_fused || MatchesAtStart(expression.substr(2), "model.layers.2.mlp.gate_up_proj");
  EXPECT_TRUE(covers_fused);
}

TEST(GptqConfigTest, WritesOneCompsListWhenBitsAreMixed) {
  const json blocks = Written(Mixed())["quantization_bits"];
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[1]["mlp.down_proj"], json::parse(R"({"bits": 8, "method": "gptq", "params": {"group_size": 32}})"));
  EXPECT_FALSE(blocks[2].contains("mlp.up_proj"));
  EXPECT_FALSE(Written(ModelSchemes::Uniform(Config(), kFour)).contains("quantization_bits"));
}

TEST(GptqConfigTest, IsWrittenForOneCompOnRequest) {
  ModelSchemes schemes(Config());
  schemes.Set(0, LinearRole::kQuery, kFour);
  schemes.Set(0, LinearRole::kAttentionOutput, kFour);
  schemes.Set(1, LinearRole::kDown, kEight);
  EXPECT_EQ(json::parse(MixedGptqJson(Config(), schemes).dump()), json::parse(R"({
    "quant_method": "mixed_gptq", "bits": 4, "groupsize": 128, "group_size": 128, "actorder": false, "desc_act": false, "sym": true,
    "checkpoint_format": "gptq",
    "modules_in_block_to_quantize": ["model.layers.0.self_attn.o_proj", "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"],
    "quantized_layer_names": ["model.layers.0.self_attn.o_proj", "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"],
    "quantization_bits": [
      {"self_attn.q_proj": {"bits": 4, "method": "gptq", "params": {"group_size": 128}},
       "self_attn.o_proj": {"bits": 4, "method": "gptq", "params": {"group_size": 128}}},
      {"mlp.down_proj": {"bits": 8, "method": "gptq", "params": {"group_size": 32}}},
      {}]})"));
}

TEST(GptqConfigTest, WritesOneCompsListAlsoWhenAllLayersAreAlike) {
  const json object = json::parse(MixedGptqJson(Config(), ModelSchemes::Uniform(Config(), kFour)).dump());
  ASSERT_EQ(object["quantization_bits"].size(), 3U);
  EXPECT_EQ(object["quantization_bits"][2].size(), 7U);
  EXPECT_EQ(object["quantized_layer_names"].size(), 21U);
}

TEST(ParseGptqTest, ReadsOneCompsConfigurationBack) {
  ASSERT_OK_AND_ASSIGN(const GptqConfig config, ParseGptq(json::parse(MixedGptqJson(Config(), Mixed()).dump())));
  EXPECT_EQ(config.layout, CodeLayout::kGptqV1);
  EXPECT_EQ(config.SchemeOf(kQuery0), kFour);
  EXPECT_EQ(config.SchemeOf(kDown1), kEight);
  EXPECT_EQ(config.SchemeOf(kUp2), std::nullopt);
}

TEST(ParseGptqTest, ReadsWhatOneCompWrites) {
  ASSERT_OK_AND_ASSIGN(const GptqConfig config, ParseGptq(json::parse(R"({
    "quant_method": "mixed_gptq", "bits": 3, "groupsize": 128, "group_size": 128, "actorder": false, "sym": true, "checkpoint_format": "gptq",
    "quantization_bits": [{"self_attn.q_proj": {"bits": 4, "method": "gptq", "params": {"group_size": 64}}}, {"mlp.down_proj": {"bits": 2}}, {}]})")));
  EXPECT_EQ(config.SchemeOf(kQuery0), (WeightScheme{.bits = 4, .group_size = 64}));
  EXPECT_EQ(config.SchemeOf(kDown1), (WeightScheme{.bits = 2, .group_size = 128}));
  EXPECT_EQ(config.SchemeOf(kUp2), std::nullopt) << "not listed, not quantized";
  EXPECT_EQ(config.SchemeOf("model.layers.11.mlp.down_proj"), std::nullopt) << "block 1 is not block 11";
}

TEST(ParseGptqTest, ReadsWhatAutoRoundWrites) {
  ASSERT_OK_AND_ASSIGN(const GptqConfig config, ParseGptq(json::parse(R"({
    "quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4, "group_size": 128, "sym": true, "data_type": "int",
    "extra_config": {"lm_head": {"bits": 16, "data_type": "float"}, "model.layers.1.mlp.down_proj": {"bits": 8, "group_size": 32},
                     ".*layers\\.2\\.mlp.*": {"bits": 16}}})")));
  EXPECT_EQ(config.layout, CodeLayout::kGptqV1);
  EXPECT_EQ(config.SchemeOf("lm_head"), std::nullopt);
  EXPECT_EQ(config.SchemeOf(kDown1), kEight);
  EXPECT_EQ(config.SchemeOf(kUp2), std::nullopt);
  EXPECT_EQ(config.SchemeOf(kQuery0), kFour);
}

TEST(ParseGptqTest, TakesTheFormatThatIsNotNamedForTheFirst) {
  ASSERT_OK_AND_ASSIGN(const GptqConfig config, ParseGptq(json::parse(R"({"quant_method": "gptq", "bits": 4})")));
  EXPECT_EQ(config.layout, CodeLayout::kGptqV1);
  EXPECT_EQ(config.scheme, kFour) << "GPTQ's own default group";
}

TEST(ParseGptqTest, TakesAGroupOfMinusOneForTheWholeRow) {
  ASSERT_OK_AND_ASSIGN(const GptqConfig config,
                       ParseGptq(json::parse(R"({"quant_method": "gptq", "bits": 4, "group_size": -1})")));
  EXPECT_EQ(config.scheme.group_size, 0);
}

TEST(ParseGptqTest, ReadsExclusionsBeforeOverrides) {
  ASSERT_OK_AND_ASSIGN(const GptqConfig config, ParseGptq(json::parse(R"({
    "quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {".*down.*": {"bits": 8}, "-:.*layers\\.1\\..*": {}}})")));
  EXPECT_EQ(config.SchemeOf(kDown1), std::nullopt);
  EXPECT_EQ(config.SchemeOf("model.layers.0.mlp.down_proj")->bits, 8);
}

struct Refusal {
  const char* name;
  const char* patch;
  const char* problem;
};

class ParseGptqRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ParseGptqRefusalTest, NamesWhatItMet) {
  json object = json::parse(R"({"quant_method": "gptq", "bits": 4, "group_size": 128})");
  object.merge_patch(json::parse(GetParam().patch));
  const auto parsed = ParseGptq(object);
  EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().problem)));
  EXPECT_EQ(ReasonOf(parsed.status()), "UNSUPPORTED_CHECKPOINT");
}

INSTANTIATE_TEST_SUITE_P(
    Configs, ParseGptqRefusalTest,
    ::testing::Values(Refusal{"five_bits", R"({"bits": 5})", "has 5 bits"},
                      Refusal{"bits_text", R"({"bits": "4"})", "\"bits\" is not a whole number"},
                      Refusal{"group", R"({"group_size": -2})", "groups of -2"},
                      Refusal{"marlin", R"({"checkpoint_format": "marlin"})", "the format \"marlin\""},
                      Refusal{"planar", R"({"format": "gptq_p"})", "the format \"gptq_p\""},
                      Refusal{"awq_packing",
                              R"({"quant_method": "auto-round", "packing_format": "auto_round:auto_awq"})",
                              "the packing \"auto_round:auto_awq\""},
                      Refusal{"floats", R"({"data_type": "mx_fp"})", "codes of type \"mx_fp\""},
                      Refusal{"dynamic_list", R"({"dynamic": []})", "\"dynamic\" is not an object"},
                      Refusal{"override_bits", R"({"dynamic": {".*": {"bits": 7}}})", "has 7 bits"},
                      Refusal{"override_text", R"({"dynamic": {".*": "8"}})", "is not a JSON object"},
                      Refusal{"blocks_object", R"({"quantization_bits": {}})", "not an array"},
                      Refusal{"block_text", R"({"quantization_bits": ["all"]})", "no object"},
                      Refusal{"other_method", R"({"quantization_bits": [{"mlp.up_proj": {"method": "dbf"}}]})",
                              "the method \"dbf\""}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

}  // namespace
}  // namespace pivot
