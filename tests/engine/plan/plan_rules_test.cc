// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/plan_rules.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/block_linears.h"
#include "engine/plan/plan.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;

constexpr WeightScheme kBase = {.bits = 4, .group_size = 64};

ModelConfig Tiny(const TinyModelOptions& options = {}) { return *ParseModelConfig(TinyConfigJson(options)); }

/// Of a file with these rules.
absl::StatusOr<ModelSchemes> Apply(const std::string& rules, const WeightScheme& base = kBase,
                                   const ModelConfig& config = Tiny()) {
  return SchemesOf(config, base, Method::kGptq, {{"schema", 1}, {"rules", json::parse(rules)}});
}

std::optional<WeightScheme> With(int bits, int64_t group_size = kBase.group_size) {
  return WeightScheme{.bits = bits, .group_size = group_size};
}

bool Same(const ModelConfig& config, const ModelSchemes& a, const ModelSchemes& b) {
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockLinear& linear : DistinctLinears(config, block)) {
      if (a.at(block, linear.role) != b.at(block, linear.role)) return false;
    }
  }
  return true;
}

TEST(PlanRulesTest, LeaveLayersThatNoneMatchesAsTheJobHasThem) {
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Apply(R"([{"match": "*.1.mlp.down_proj", "bits": 8}])"));
  EXPECT_EQ(schemes.at(1, LinearRole::kDown), With(8));
  EXPECT_EQ(schemes.at(0, LinearRole::kDown), With(4));
  EXPECT_EQ(schemes.at(1, LinearRole::kUp), With(4));
  ASSERT_OK_AND_ASSIGN(const ModelSchemes none, Apply("[]"));
  EXPECT_TRUE(Same(Tiny(), none, ModelSchemes::Uniform(Tiny(), kBase)));
}

TEST(PlanRulesTest, GiveBitsGroupsOrNothing) {
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Apply(R"([
      {"match": "*.0.mlp.down_proj", "group_size": 32, "method": "gptq"},
      {"match": "*.1.mlp.down_proj", "group_size": -1, "bits": 3.0},
      {"match": "re:.*\\.self_attn\\.o_proj$", "keep": true},
      {"match": "*.1.mlp.[gu]*_proj", "bits": 2, "keep": false}])"));
  EXPECT_EQ(schemes.at(0, LinearRole::kDown), With(4, 32));
  EXPECT_EQ(schemes.at(1, LinearRole::kDown), With(3, 0));
  EXPECT_EQ(schemes.at(0, LinearRole::kAttentionOutput), std::nullopt);
  EXPECT_EQ(schemes.at(1, LinearRole::kAttentionOutput), std::nullopt);
  EXPECT_EQ(schemes.at(1, LinearRole::kGate), With(2));
  EXPECT_EQ(schemes.at(1, LinearRole::kUp), With(2));
}

TEST(PlanRulesTest, CountTheLastThatMatches) {
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Apply(R"([
      {"match": "*", "bits": 3, "group_size": 32}, {"match": "*.0.*", "bits": 8}, {"match": "*.0.mlp.down_proj", "keep": true}])"));
  EXPECT_EQ(schemes.at(1, LinearRole::kQuery), With(3, 32));
  EXPECT_EQ(schemes.at(0, LinearRole::kQuery), With(8)) << "what it leaves out is as in the job's scheme";
  EXPECT_EQ(schemes.at(0, LinearRole::kDown), std::nullopt);
}

TEST(PlanRulesTest, MayDivideWhatTheJobsGroupsDoNot) {
  const ModelConfig config = Tiny({.intermediate_size = 96});
  EXPECT_THAT(Apply("[]", kBase, config).status().message(),
              HasSubstr("model.layers.0.mlp.down_proj has 4 bits in groups of 64 as the job has it; allowed: groups "
                        "that divide its 96 columns"));
  EXPECT_OK(Apply(R"([{"match": "*.down_proj", "group_size": 32}])", kBase, config));
}

TEST(PlanRulesTest, KeepTheJobsSymmetry) {
  const WeightScheme base = {.bits = 4, .group_size = 64, .symmetry = Symmetry::kAsymmetric};
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Apply(R"([{"match": "*.0.*", "bits": 8}])", base));
  EXPECT_FALSE(schemes.at(0, LinearRole::kQuery)->is_symmetric());
  EXPECT_THAT(Apply(R"([{"match": "*.0.*", "bits": 3}])", base).status().message(),
              HasSubstr("has bits 3; asymmetric layers have 4 or 8"));
}

TEST(PlanRulesTest, ChangeNothingOfFloatingPointSchemesButWhatIsKept) {
  const WeightScheme base = *FloatScheme("fp8");
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Apply(R"([{"match": "*.0.*", "keep": true}])", base));
  EXPECT_EQ(schemes.at(0, LinearRole::kQuery), std::nullopt);
  EXPECT_EQ(schemes.at(1, LinearRole::kQuery), base);
  EXPECT_OK(Apply(R"([{"match": "*.0.*", "bits": 8, "group_size": -1}])", base));
  EXPECT_THAT(Apply(R"([{"match": "*.0.*", "bits": 4}])", base).status().message(),
              HasSubstr("must leave bits and group_size out: all layers of fp8 have 8 bits with a scale for each row"));
}

TEST(PlanRulesTest, HaveOneSchemeForAllExpertsOfABlock) {
  const ModelConfig config = Tiny({.model_type = "mixtral"});
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes,
                       Apply(R"([{"match": "*.1.*.experts.*", "bits": 2}])", kBase, config));
  EXPECT_EQ(schemes.at(0, LinearRole::kExpertGate), With(4));
  for (const LinearRole role : {LinearRole::kExpertGate, LinearRole::kExpertUp, LinearRole::kExpertDown})
    EXPECT_EQ(schemes.at(1, role), With(2));
  for (const char* match : {"*.1.*.experts.2.*", "*.experts.*.w2"}) {
    const auto refused = Apply(absl::StrCat(R"([{"match": ")", match, R"(", "bits": 2}])"), kBase, config);
    EXPECT_THAT(refused.status().message(), HasSubstr("serving runtimes have one scheme for all experts of a block"));
  }
}

TEST(PlanRulesTest, TreatBlocksOfUnknownFamiliesAsOne) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder / "model"));
  json config = json::parse(*ReadSmallFile(folder / "model/config.json", 1 << 20));
  config["model_type"] = "transmogrifier";
  folder.Write("model/config.json", config.dump());
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, ModelFolder::Open(folder / "model"));
  ASSERT_NE(model.config().found, nullptr);
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes,
                       Apply(R"([{"match": "model.layers.0.*", "bits": 8}])", kBase, model.config()));
  EXPECT_EQ(schemes.Distinct().size(), 2);
  EXPECT_THAT(Apply(R"([{"match": "*.down_proj", "bits": 8}])", kBase, model.config()).status().message(),
              HasSubstr("nobody knows which layers of a block serving runtimes load as one"));
}

TEST(PlanRulesTest, NameTheLayersThatDiffer) {
  const auto refused =
      Apply(R"([{"match": "*.1.self_attn.k_proj", "bits": 8}, {"match": "*.1.mlp.up_proj", "keep": true}])");
  EXPECT_EQ(refused.status().message(),
            "plan_rules model.layers.1.self_attn.q_proj has 4 bits in groups of 64 as the job has it, "
            "model.layers.1.self_attn.k_proj has 8 bits in groups of 64 by rules[0] (\"*.1.self_attn.k_proj\"); they "
            "must be alike: serving runtimes load them as one layer");
  EXPECT_THAT(Apply(R"([{"match": "*.1.mlp.up_proj", "keep": true}])").status().message(),
              HasSubstr("model.layers.1.mlp.up_proj has none (it is kept) by rules[0]"));
}

/// Files that make no sense, and a part of what is said.
struct Fault {
  const char* name;
  const char* file;
  const char* problem;
};

class PlanFileFaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(PlanFileFaultTest, NamesTheRuleAndTheValue) {
  const auto schemes = SchemesOf(Tiny(), kBase, Method::kGptq, json::parse(GetParam().file));
  EXPECT_THAT(schemes, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().problem)));
  EXPECT_EQ(ReasonOf(schemes.status()), "INVALID_SPEC");
  EXPECT_EQ(FieldOf(schemes.status()), "job.spec.compress.plan_rules");
}

INSTANTIATE_TEST_SUITE_P(
    Files, PlanFileFaultTest,
    ::testing::Values(Fault{"no_object", "[]", "file is not a JSON object"},
                      Fault{"no_schema", R"({"rules": []})", "\"schema\" is missing"},
                      Fault{"newer", R"({"schema": 2, "rules": []})", "file has schema 2; allowed: 1"},
                      Fault{"no_list", R"({"schema": 1})", "must have one list, \"rules\" or \"modules\""},
                      Fault{"two_lists", R"({"schema": 1, "rules": [], "modules": []})", "must have one list"},
                      Fault{"no_array", R"({"schema": 1, "rules": {}})", "must have one list"},
                      Fault{"other_keys", R"({"schema": 1, "rules": [], "bits": 3})", "has other keys"},
                      Fault{"nothing", R"({"schema": 1, "modules": []})", "keeps every layer"}),
    [](const auto& fault) { return fault.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Rules, PlanFileFaultTest,
    ::testing::Values(
        Fault{"rule_no_object", R"({"schema": 1, "rules": [5]})", "rules[0] is no object with a text \"match\""},
        Fault{"no_match", R"({"schema": 1, "rules": [{"bits": 3}]})", "rules[0] is no object with a text \"match\""},
        Fault{"bad_pattern", R"({"schema": 1, "rules": [{"match": "re:(", "bits": 3}]})",
              "rules[0] has a \"match\" that is no regular expression"},
        Fault{"endless", R"({"schema": 1, "rules": [{"match": "re:(.+.+)+[#!]", "bits": 3}]})",
              "rules[0] (\"re:(.+.+)+[#!]\") cannot be matched with model.layers.0.self_attn.q_proj"},
        Fault{"no_layer", R"({"schema": 1, "rules": [{"match": "*", "bits": 3}, {"match": "lm_head", "keep": true}]})",
              "rules[1] (\"lm_head\") matches no linear layer of the model's blocks; the first of its 14 is "
              "model.layers.0.self_attn.q_proj"},
        Fault{"bits_one", R"({"schema": 1, "rules": [{"match": "*", "bits": 1}]})",
              "rules[0] (\"*\") has bits 1; allowed: 2 to 8"},
        Fault{"bits_nine", R"({"schema": 1, "rules": [{"match": "*", "bits": 9}]})", "has bits 9; allowed: 2 to 8"},
        Fault{"bits_fraction", R"({"schema": 1, "rules": [{"match": "*", "bits": 3.5}]})",
              "has bits 3.5; allowed: whole numbers"},
        Fault{"bits_huge", R"({"schema": 1, "rules": [{"match": "*", "bits": 1e300}]})", "has bits 1e+300"},
        Fault{"bits_text", R"({"schema": 1, "rules": [{"match": "*", "bits": "3"}]})", "\"bits\" is not a number"},
        Fault{"group", R"({"schema": 1, "rules": [{"match": "*.down_proj", "group_size": 96}]})",
              "model.layers.0.mlp.down_proj has 4 bits in groups of 96 by rules[0] (\"*.down_proj\"); allowed: groups "
              "that divide its 128 columns, or -1 for the whole row"},
        Fault{"group_zero", R"({"schema": 1, "rules": [{"match": "*", "group_size": 0}]})",
              "has group_size 0; allowed"},
        Fault{"group_negative", R"({"schema": 1, "rules": [{"match": "*", "group_size": -2}]})", "has group_size -2"},
        Fault{"keep_text", R"({"schema": 1, "rules": [{"match": "*", "keep": "yes"}]})",
              "\"keep\" is not true or false"},
        Fault{"keep_and_bits", R"({"schema": 1, "rules": [{"match": "*", "keep": true, "bits": 4}]})",
              "keeps its layers and gives them bits or group_size"},
        Fault{"method", R"({"schema": 1, "rules": [{"match": "*", "method": "rtn"}]})",
              "has method \"rtn\"; this job's layers all have \"gptq\""},
        Fault{"unknown_key", R"({"schema": 1, "rules": [{"match": "*", "bit": 3}]})",
              "has the key \"bit\"; allowed: match, bits, group_size, keep, method"},
        Fault{"says_nothing", R"({"schema": 1, "rules": [{"match": "*"}]})", "says nothing of what it matches"},
        Fault{"keeps_all", R"({"schema": 1, "rules": [{"match": "*", "keep": true}]})", "keeps every layer"}),
    [](const auto& fault) { return fault.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Modules, PlanFileFaultTest,
    ::testing::Values(
        Fault{"module_no_object", R"({"schema": 1, "modules": [5]})", "modules[0] is not a JSON object"},
        Fault{"no_name", R"({"schema": 1, "modules": [{"bits": 4, "group_size": 64}]})", "\"name\" is missing"},
        Fault{"no_group_size", R"({"schema": 1, "modules": [{"name": "model.layers.0.mlp.down_proj", "bits": 4}]})",
              "modules[0]: \"group_size\" is missing"},
        Fault{"unknown_name", R"({"schema": 1, "modules": [{"name": "model.norm", "bits": 4, "group_size": 64}]})",
              "modules[0] is \"model.norm\", which is no linear layer"},
        Fault{"twice",
              R"({"schema": 1, "modules": [{"name": "model.layers.0.mlp.down_proj", "bits": 4, "group_size": 64},
                           {"name": "model.layers.0.mlp.down_proj", "bits": 4, "group_size": 64}]})",
              "modules[1] is \"model.layers.0.mlp.down_proj\", as modules[0] is"},
        Fault{"type", R"({"schema": 1, "modules": [{"name": "model.layers.0.mlp.down_proj", "type": "fp8", "bits": 8,
                          "group_size": 0}]})",
              "has type \"fp8\"; this job's layers all have \"int\""},
        Fault{"module_bits",
              R"({"schema": 1, "modules": [{"name": "model.layers.0.mlp.down_proj", "bits": 0, "group_size": 64}]})",
              "modules[0] has bits 0; allowed: 2 to 8"},
        Fault{"part",
              R"({"schema": 1, "modules": [{"name": "model.layers.0.mlp.up_proj", "bits": 4, "group_size": 64}]})",
              "model.layers.0.mlp.gate_proj has none (it is kept), model.layers.0.mlp.up_proj has 4 bits in groups of "
              "64 by modules[0]"}),
    [](const auto& fault) { return fault.param.name; });

TEST(PlanRulesTest, AreTenThousandAtMost) {
  json rules = json::array();
  for (int i = 0; i < 10'000; ++i) rules.push_back({{"match", "*"}, {"bits", 3}});
  EXPECT_OK(Apply(rules.dump()));
  rules.push_back(rules.front());
  EXPECT_THAT(Apply(rules.dump()).status().message(), HasSubstr("rules are 10001; allowed for 14 layers: 10000"));
}

/// A plan as it is printed and as it is written, of a model whose layers have these schemes.
class PlanRoundTripTest : public ::testing::Test {
 protected:
  void Check(const TinyModelOptions& options, const ModelSchemes& schemes, const WeightScheme& base) {
    const TemporaryFolder folder;
    ASSERT_OK(WriteTinyModel(folder / "source", options));
    ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder / "source"));
    const CompressSpec spec{.scheme = base, .calibration = {.num_samples = 1, .sequence_length = 1}};
    ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source, spec, schemes, DeviceKind::kCpu));
    for (const json& file :
         {PlanToJson(plan, source, spec, DeviceKind::kCpu), json::parse(PlanFileJson(plan, source, spec))}) {
      ASSERT_OK_AND_ASSIGN(const ModelSchemes read, SchemesOf(source.config(), base, Method::kGptq, file));
      EXPECT_TRUE(Same(source.config(), read, schemes)) << file.dump();
    }
  }
};

TEST_F(PlanRoundTripTest, KeepsUniformPlans) {
  const WeightScheme row = {.bits = 5, .group_size = 0};
  const WeightScheme asymmetric = {.bits = 8, .group_size = 32, .symmetry = Symmetry::kAsymmetric};
  for (const WeightScheme& scheme : {kBase, row, asymmetric, *FloatScheme("fp8"), *FloatScheme("mxfp4")})
    Check({}, ModelSchemes::Uniform(Tiny(), scheme), scheme);
}

TEST_F(PlanRoundTripTest, KeepsMixedPlans) {
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Apply(R"([
      {"match": "*.0.self_attn.?_proj", "bits": 2, "group_size": 32}, {"match": "*.1.mlp.[gu]*", "bits": 8, "group_size": -1},
      {"match": "*.1.mlp.down_proj", "keep": true}])"));
  Check({}, schemes, kBase);
  const TinyModelOptions mixture = {.model_type = "mixtral"};
  ASSERT_OK_AND_ASSIGN(const ModelSchemes experts,
                       Apply(R"([{"match": "*.0.*.experts.*", "bits": 3}])", kBase, Tiny(mixture)));
  Check(mixture, experts, kBase);
}

}  // namespace
}  // namespace pivot
