// SPDX-License-Identifier: Apache-2.0
// quantization_config objects that others wrote.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/format/quantization_config.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What llm-compressor writes.
json Example() {
  return json::parse(R"({
    "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed", "version": "0.18.0",
    "global_compression_ratio": null, "kv_cache_scheme": null, "ignore": ["lm_head"], "transform_config": {}, "sparsity_config": {},
    "config_groups": {"group_0": {
      "targets": ["Linear"], "input_activations": null, "output_activations": null, "format": "pack-quantized",
      "weights": {"num_bits": 4, "type": "int", "symmetric": true, "strategy": "group", "group_size": 128, "dynamic": false, "actorder": null,
                  "block_structure": null, "observer": "minmax", "observer_kwargs": {}}}}})");
}

json& Weights(json& config) { return config["config_groups"]["group_0"]["weights"]; }

TEST(ParseQuantizationTest, ReadsWhatOthersWrite) {
  ASSERT_OK_AND_ASSIGN(const PackQuantizedConfig config, ParsePackQuantized(Example()));
  ASSERT_NE(config.SchemeOf("model.layers.0.mlp.up_proj"), nullptr);
  EXPECT_EQ(*config.SchemeOf("model.layers.0.mlp.up_proj"), (WeightScheme{.bits = 4, .group_size = 128}));
  EXPECT_EQ(config.SchemeOf("lm_head"), nullptr);
}

TEST(ParseQuantizationTest, GivesChannelSchemesNoGroupSize) {
  json config = Example();
  Weights(config)["strategy"] = "channel";
  for (const json& size : {json(-1), json(nullptr), json(128)}) {
    Weights(config)["group_size"] = size;
    ASSERT_OK_AND_ASSIGN(const PackQuantizedConfig parsed, ParsePackQuantized(config));
    EXPECT_EQ(parsed.SchemeOf("any")->group_size, 0);
  }
}

TEST(ParseQuantizationTest, AcceptsOrdersThatLeaveTheColumnsWhereTheyAre) {
  for (const json& order : {json("weight"), json("static"), json("WEIGHT"), json(false), json(nullptr)}) {
    json config = Example();
    Weights(config)["actorder"] = order;
    EXPECT_OK(ParseQuantizationConfig(config)) << order;
  }
}

struct FloatCase {
  const char* name;
  const char* format;
  const char* weights;
  WeightScheme scheme;
};

class ParseFloatsTest : public ::testing::TestWithParam<FloatCase> {};

TEST_P(ParseFloatsTest, ReadsWhatOthersWrite) {
  json config = Example();
  config["format"] = GetParam().format;
  config["config_groups"]["group_0"]["format"] = nullptr;
  Weights(config).merge_patch(json::parse(GetParam().weights));
  ASSERT_OK_AND_ASSIGN(const PackQuantizedConfig parsed, ParsePackQuantized(config));
  EXPECT_EQ(*parsed.SchemeOf("any"), GetParam().scheme);
  EXPECT_FALSE(parsed.quantizes_activations);
}

INSTANTIATE_TEST_SUITE_P(
    Presets, ParseFloatsTest,
    ::testing::Values(
        FloatCase{"fp8_channel",
                  "float-quantized",
                  R"({"num_bits": 8, "type": "float", "strategy": "channel"})",
                  {.bits = 8, .group_size = 0, .type = CodeType::kFloat8}},
        FloatCase{"fp8_tensor",
                  "float-quantized",
                  R"({"num_bits": 8, "type": "float", "strategy": "tensor"})",
                  {.bits = 8, .group_size = 0, .type = CodeType::kFloat8, .row_group = 0}},
        FloatCase{"fp8_block",
                  "float-quantized",
                  R"({"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 64]})",
                  {.bits = 8, .group_size = 64, .type = CodeType::kFloat8, .row_group = 128}},
        FloatCase{
            "nvfp4",
            "nvfp4-pack-quantized",
            R"({"type": "float", "strategy": "tensor_group", "group_size": 16, "scale_dtype": "torch.float8_e4m3fn"})",
            {.bits = 4, .group_size = 16, .type = CodeType::kNvfp4}},
        FloatCase{"mxfp4",
                  "mxfp4-pack-quantized",
                  R"({"type": "float", "strategy": "group", "group_size": 32})",
                  {.bits = 4, .group_size = 32, .type = CodeType::kMxfp4}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseQuantizationTest, NotesThatActivationsAreToBeQuantized) {
  json config = Example();
  config["config_groups"]["group_0"]["input_activations"] = {{"num_bits", 8}, {"type", "float"}};
  ASSERT_OK_AND_ASSIGN(const PackQuantizedConfig parsed, ParsePackQuantized(config));
  EXPECT_TRUE(parsed.quantizes_activations);
}

TEST(ParseQuantizationTest, ReadsAsymmetricWeights) {
  json config = Example();
  Weights(config)["symmetric"] = false;
  ASSERT_OK_AND_ASSIGN(const PackQuantizedConfig parsed, ParsePackQuantized(config));
  EXPECT_FALSE(parsed.SchemeOf("any")->is_symmetric());
}

TEST(ParseQuantizationTest, MayHaveNoGroups) {
  json config = Example();
  config.erase("config_groups");
  ASSERT_OK_AND_ASSIGN(const PackQuantizedConfig parsed, ParsePackQuantized(config));
  EXPECT_THAT(parsed.groups, IsEmpty());
  EXPECT_EQ(parsed.SchemeOf("model.layers.0.mlp.up_proj"), nullptr);
}

/// A JSON merge patch to the example, and a part of what is said about it.
struct Refusal {
  const char* name;
  const char* patch;
  const char* problem;
};

class ParseQuantizationRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ParseQuantizationRefusalTest, NamesWhatItMet) {
  json config = Example();
  config.merge_patch(json::parse(GetParam().patch));
  const auto parsed = ParseQuantizationConfig(config);
  EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().problem)));
  EXPECT_EQ(ReasonOf(parsed.status()), "UNSUPPORTED_CHECKPOINT");
}

INSTANTIATE_TEST_SUITE_P(
    Whole, ParseQuantizationRefusalTest,
    ::testing::Values(Refusal{"not_an_object", "[]", "cannot be read"},
                      Refusal{"no_method", R"({"quant_method": null})", "\"quant_method\" is missing"},
                      Refusal{"awq", R"({"quant_method": "awq"})", "the method \"awq\""},
                      Refusal{"no_format", R"({"format": null, "config_groups": {"group_0": {"format": null}}})",
                              "the format \"\" for int weights"},
                      Refusal{"int_quantized",
                              R"({"format": "int-quantized", "config_groups": {"group_0": {"format": null}}})",
                              "the format \"int-quantized\" for int weights; \"pack-quantized\" is read"},
                      Refusal{"mixed",
                              R"({"format": "mixed-precision", "config_groups": {"group_0": {"format": null}}})",
                              "the format \"mixed-precision\""},
                      Refusal{"groups_list", R"({"config_groups": []})", "\"config_groups\" is not an object"},
                      Refusal{"transforms", R"({"transform_config": {"config_groups": {}}})", "has transforms"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Group, ParseQuantizationRefusalTest,
    ::testing::Values(
        Refusal{"not_an_object", R"({"config_groups": {"group_0": "all"}})", "is not a JSON object"},
        Refusal{"no_weights", R"({"config_groups": {"group_0": {"weights": null}}})", "no weights in group_0"},
        Refusal{"weights_list", R"({"config_groups": {"group_0": {"weights": []}}})", "\"weights\" is not an object"},
        Refusal{"inputs_list", R"({"config_groups": {"group_0": {"input_activations": []}}})",
                "\"input_activations\" is not an object"},
        Refusal{
            "floats_packed_as_integers",
            R"({"config_groups": {"group_0": {"weights": {"type": "float", "num_bits": 8, "strategy": "channel"}}}})",
            "the format \"pack-quantized\" for fp8 weights"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Weights, ParseQuantizationRefusalTest,
    ::testing::Values(
        Refusal{"floats", R"({"config_groups": {"group_0": {"weights": {"type": "float"}}}})",
                "4-bit floating point with the strategy \"group\" in groups of 128"},
        Refusal{"six_bit_floats", R"({"config_groups": {"group_0": {"weights": {"type": "float", "num_bits": 6}}}})",
                "weights of type \"float\" with 6 bits"},
        Refusal{"floats_with_zero_points",
                R"({"config_groups": {"group_0": {"weights": {"type": "float", "symmetric": false}}}})",
                "4 bits and zero points"},
        Refusal{"blocks_of_nothing",
                R"({"config_groups": {"group_0": {"weights": {"type": "float", "num_bits": 8, "strategy": "block"}}}})",
                "FP8 with the strategy \"block\""},
        Refusal{"tensor", R"({"config_groups": {"group_0": {"weights": {"strategy": "tensor"}}}})",
                "the strategy \"tensor\""},
        Refusal{"no_strategy", R"({"config_groups": {"group_0": {"weights": {"strategy": null}}}})",
                "the strategy \"\""},
        Refusal{"group_order", R"({"config_groups": {"group_0": {"weights": {"actorder": "group"}}}})",
                "order \"group\""},
        Refusal{"group_order_in_capitals", R"({"config_groups": {"group_0": {"weights": {"actorder": "Group"}}}})",
                "order \"group\""},
        Refusal{"old_group_order", R"({"config_groups": {"group_0": {"weights": {"actorder": true}}}})",
                "order \"group\""},
        Refusal{"one_bit", R"({"config_groups": {"group_0": {"weights": {"num_bits": 1}}}})", "has 1 bits"},
        Refusal{"nine_bits", R"({"config_groups": {"group_0": {"weights": {"num_bits": 9}}}})", "has 9 bits"},
        Refusal{"bits_wrap", R"({"config_groups": {"group_0": {"weights": {"num_bits": 4294967300}}}})",
                "has 4294967300 bits"},
        Refusal{"bits_text", R"({"config_groups": {"group_0": {"weights": {"num_bits": "4"}}}})",
                "\"num_bits\" is not a whole number"},
        Refusal{"group_of_none", R"({"config_groups": {"group_0": {"weights": {"group_size": null}}}})",
                "in groups of 0"},
        Refusal{"group_negative", R"({"config_groups": {"group_0": {"weights": {"group_size": -1}}}})",
                "in groups of -1"},
        Refusal{"symmetric_text", R"({"config_groups": {"group_0": {"weights": {"symmetric": "yes"}}}})",
                "\"symmetric\" is not true or false"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

PackQuantizedConfig WithTargets(const std::vector<std::pair<std::string, int>>& targets,
                                std::vector<std::string> ignored = {}) {
  PackQuantizedConfig config{.groups = {}, .ignored = std::move(ignored)};
  for (const auto& [target, bits] : targets)
    config.groups.push_back({.scheme = {.bits = bits, .group_size = 32}, .targets = {target}});
  return config;
}

int BitsOf(const PackQuantizedConfig& config, absl::string_view module) {
  const WeightScheme* scheme = config.SchemeOf(module);
  return scheme == nullptr ? 0 : scheme->bits;
}

TEST(SchemeOfTest, PrefersNamesToExpressionsToClasses) {
  const PackQuantizedConfig config = WithTargets({{"Linear", 2}, {"re:.*proj$", 3}, {"a.k_proj", 4}});
  EXPECT_EQ(BitsOf(config, "a.k_proj"), 4);
  EXPECT_EQ(BitsOf(config, "a.q_proj"), 3);
  EXPECT_EQ(BitsOf(config, "a.gate"), 2);
}

TEST(SchemeOfTest, TakesTheFirstOfEqualMatches) {
  EXPECT_EQ(BitsOf(WithTargets({{"re:.*k_proj$", 3}, {"re:.*proj$", 4}}), "a.k_proj"), 3);
}

TEST(SchemeOfTest, AnchorsExpressionsAtTheStartOnly) {
  EXPECT_EQ(BitsOf(WithTargets({{"re:proj", 3}}), "a.proj"), 0);
  EXPECT_EQ(BitsOf(WithTargets({{"re:a", 3}}), "a.proj"), 3);
  EXPECT_EQ(BitsOf(WithTargets({{"proj", 3}}), "a.proj"), 0) << "a plain name is the whole name";
}

TEST(SchemeOfTest, LeavesOutWhatIsIgnored) {
  const PackQuantizedConfig config = WithTargets({{"Linear", 4}}, {"lm_head", "re:.*\\.0\\..*"});
  EXPECT_EQ(BitsOf(config, "lm_head"), 0);
  EXPECT_EQ(BitsOf(config, "layers.0.q"), 0);
  EXPECT_EQ(BitsOf(config, "layers.1.q"), 4);
}

TEST(SchemeOfTest, TakesAnExpressionThatIsNoneForNoMatch) {
  EXPECT_EQ(BitsOf(WithTargets({{"re:(", 3}, {"re:[", 4}, {"re:*", 5}}), "a"), 0);
  EXPECT_EQ(BitsOf(WithTargets({{"re:", 3}}), "a"), 3) << "the empty expression matches everything";
}

TEST(SchemeOfTest, GivesUpOnAnExpressionThatWouldRunForEver) {
  // What gives up only after ten million steps, the library's own limit, needs minutes here.
  for (const char* target : {"re:([a-z._0-9]+)+[A-Z]", "re:(.*)*(.*)*(.*)*[A-Z]", "re:(([a-z])+.)+[A-Z]([a-z])+$",
                             "re:(a|aa|m|o|.)+[A-Z]", "re:(?<x>.(?&x)?)+[A-Z]"}) {
    const PackQuantizedConfig config = WithTargets({{target, 3}});
    for (int block = 0; block < 200; ++block) {
      ASSERT_EQ(BitsOf(config, absl::StrCat("model.layers.", block, ".self_attn.", std::string(100, 'a'))), 0)
          << target;
    }
  }
}

}  // namespace
}  // namespace pivot
