// SPDX-License-Identifier: Apache-2.0
#include "engine/format/loader_rules.h"

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/engine/format/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// The tiny model's sides are 32, 64 and 128: of Marlin's, only the down projection's fit.
class LoaderRulesTest : public ::testing::Test {
 protected:
  LoaderRulesTest() {
    EXPECT_OK(WriteTinyModel(folder_ / "source"));
    source_ = std::make_unique<ModelFolder>(*ModelFolder::Open(folder_ / "source"));
  }

  ModelSchemes Uniform(int bits, Symmetry symmetry = Symmetry::kSymmetric) const {
    return ModelSchemes::Uniform(source_->config(), {.bits = bits, .group_size = 32, .symmetry = symmetry});
  }

  std::vector<std::string> Broken(const CompressedModel& model, int target_tp = 1) {
    std::filesystem::remove_all(folder_ / "output");
    EXPECT_OK(WriteCompressedModel(model, *source_, folder_ / "output"));
    const auto checkpoint = OpenCheckpointUnchecked(folder_ / "output");
    EXPECT_OK(checkpoint);
    std::vector<std::string> ids;
    for (const RuleFinding& finding : CheckLoaderRules(*checkpoint, target_tp)) {
      ids.emplace_back(finding.rule->id);
      messages_.push_back(finding.message);
    }
    return ids;
  }
  std::vector<std::string> Broken(const ModelSchemes& schemes, CodeLayout layout = CodeLayout::kPackQuantized,
                                  int target_tp = 1) {
    return Broken(CompressWithZeros(*source_, schemes, {.layout = layout}), target_tp);
  }

  TemporaryFolder folder_;
  std::unique_ptr<ModelFolder> source_;
  std::vector<std::string> messages_;
};

TEST_F(LoaderRulesTest, HaveNamesLoadersAndSources) {
  std::set<absl::string_view> ids;
  for (const LoaderRule& rule : LoaderRules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id << " twice";
    EXPECT_FALSE(rule.loader.empty());
    EXPECT_FALSE(rule.source.empty());
  }
  EXPECT_EQ(LoaderRules().size(), 18U);
}

TEST_F(LoaderRulesTest, FindNothingButSlowKernelsInWhatIsWritten) {
  for (const CodeLayout layout : {CodeLayout::kPackQuantized, CodeLayout::kGptqV1, CodeLayout::kGptqV2}) {
    EXPECT_THAT(Broken(Uniform(4), layout), ::testing::ElementsAre("fits-the-fast-kernel"));
  }
  EXPECT_THAT(messages_.front(), HasSubstr("Conch, ExLlama or Humming"));
}

TEST_F(LoaderRulesTest, NoticeFusedLayersOfDifferentSchemes) {
  ModelSchemes schemes = Uniform(4);
  schemes.Set(1, LinearRole::kUp, WeightScheme{.bits = 8, .group_size = 32});
  EXPECT_THAT(Broken(schemes), Contains("fused-layers-share-a-scheme"));
  EXPECT_THAT(messages_, Contains(HasSubstr("model.layers.1.mlp.gate_up_proj is made of")));
  schemes.Set(1, LinearRole::kGate, WeightScheme{.bits = 8, .group_size = 32});
  EXPECT_THAT(Broken(schemes), Not(Contains("fused-layers-share-a-scheme"))) << "both have eight bits now";
  schemes.Set(0, LinearRole::kKey, std::nullopt);
  EXPECT_THAT(Broken(schemes), Contains("fused-layers-share-a-scheme")) << "one is plain";
}

TEST_F(LoaderRulesTest, WantOneSchemeForAllExpertsAndOneThatKernelsHave) {
  ASSERT_OK(WriteTinyModel(folder_ / "source", {.model_type = "mixtral"}));
  source_ = std::make_unique<ModelFolder>(*ModelFolder::Open(folder_ / "source"));
  EXPECT_THAT(Broken(Uniform(4)), Not(Contains(HasSubstr("experts"))));
  EXPECT_THAT(Broken(Uniform(3)), Contains("experts-of-vllm"));
  EXPECT_THAT(Broken(Uniform(4, Symmetry::kAsymmetric)), Contains("experts-of-vllm"));
  ModelSchemes schemes = Uniform(4);
  schemes.Set(1, LinearRole::kExpertDown, WeightScheme{.bits = 8, .group_size = 32});
  EXPECT_THAT(Broken(schemes), Contains("experts-share-a-scheme"));
  EXPECT_THAT(messages_, Contains(HasSubstr("model.layers.1.block_sparse_moe.experts.0.w2")));
}

TEST_F(LoaderRulesTest, AskForTheVersionOfDensePacking) {
  CompressedModel model = CompressWithZeros(*source_, Uniform(3), {});
  EXPECT_THAT(Broken(model), Not(Contains("dense-packing-names-its-version")));
  json config = json::parse(model.config_json);
  for (const json& version : {json("0.17.1"), json("0.9"), json(""), json(nullptr), json(18)}) {
    config["quantization_config"]["version"] = version;
    model.config_json = config.dump();
    EXPECT_THAT(Broken(model), Contains("dense-packing-names-its-version")) << version;
  }
  config["quantization_config"]["version"] = "1.0.0";
  model.config_json = config.dump();
  EXPECT_THAT(Broken(model), Not(Contains("dense-packing-names-its-version")));
}

TEST_F(LoaderRulesTest, WantExclusionsBeforeOverrides) {
  CompressedModel model = CompressWithZeros(*source_, Uniform(4), {.layout = CodeLayout::kGptqV1});
  auto config = nlohmann::ordered_json::parse(model.config_json);
  config["quantization_config"]["dynamic"] = nlohmann::ordered_json::parse(R"({"-:a": {}, "+:b": {"bits": 8}})");
  model.config_json = config.dump();
  EXPECT_THAT(Broken(model), Not(Contains("gptq-exclusions-come-first")));
  config["quantization_config"]["dynamic"] = nlohmann::ordered_json::parse(R"({"+:b": {"bits": 8}, "-:a": {}})");
  model.config_json = config.dump();
  EXPECT_THAT(Broken(model), Contains("gptq-exclusions-come-first"));
}

TEST_F(LoaderRulesTest, WarnOfClassTargetsBesideOtherGroups) {
  CompressedModel model = CompressWithZeros(*source_, Uniform(4), {});
  json config = json::parse(model.config_json);
  json& groups = config["quantization_config"]["config_groups"];
  groups["group_0"]["targets"] = {"Linear"};
  model.config_json = config.dump();
  EXPECT_THAT(Broken(model), Not(Contains("no-class-targets"))) << "alone it is no trouble";
  groups["group_1"] = groups["group_0"];
  model.config_json = config.dump();
  EXPECT_THAT(Broken(model), Contains("no-class-targets"));
}

TEST_F(LoaderRulesTest, WarnOfBitsThatFewRead) {
  EXPECT_THAT(Broken(Uniform(3), CodeLayout::kGptqV1), Contains("gptq-bits"));
  EXPECT_THAT(Broken(Uniform(4, Symmetry::kAsymmetric), CodeLayout::kGptqV2), Contains("gptq-bits"));
  EXPECT_THAT(Broken(Uniform(4, Symmetry::kAsymmetric)), Contains("zero-points-in-transformers"));
  EXPECT_THAT(Broken(Uniform(3)), Contains("rare-bits"));
  EXPECT_THAT(Broken(Uniform(8)), Not(Contains("rare-bits")));
}

TEST_F(LoaderRulesTest, WarnOfFourBitFloats) {
  const auto schemes = [this](const char* name) {
    return ModelSchemes::Uniform(source_->config(), *FloatScheme(name));
  };
  EXPECT_THAT(Broken(schemes("nvfp4")), Contains("float4-in-recent-loaders"));
  EXPECT_THAT(Broken(schemes("mxfp4")), Contains("float4-in-recent-loaders"));
  EXPECT_THAT(Broken(schemes("fp8")), ::testing::ElementsAre("fits-the-fast-kernel"));
}

TEST_F(LoaderRulesTest, WantOneGlobalScaleInFusedLayers) {
  CompressedModel model =
      CompressWithZeros(*source_, ModelSchemes::Uniform(source_->config(), *FloatScheme("nvfp4")), {});
  EXPECT_THAT(Broken(model), Not(Contains("fused-layers-share-a-global-scale")));
  model.bytes["model.layers.1.self_attn.k_proj.weight_global_scale"] = std::string("\0\0\x80\x3F", 4);
  EXPECT_THAT(Broken(model), Contains("fused-layers-share-a-global-scale"));
  EXPECT_THAT(messages_, Contains(HasSubstr("model.layers.1.self_attn.qkv_proj is made of")));
}

TEST_F(LoaderRulesTest, CountGroupsAmongRanks) {
  EXPECT_THAT(Broken(Uniform(4), CodeLayout::kPackQuantized, 2), Not(Contains("divides-among-ranks")));
  // The attention's output has two groups of 32.
  EXPECT_THAT(Broken(Uniform(4), CodeLayout::kPackQuantized, 4), Contains("divides-among-ranks"));
  EXPECT_THAT(messages_, Contains(HasSubstr("among 4 ranks")));
}

TEST_F(LoaderRulesTest, HaveNothingToSayOfAPlainModel) {
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder plain, OpenCheckpoint(folder_ / "source"));
  EXPECT_THAT(CheckLoaderRules(plain, 1), IsEmpty());
}

}  // namespace
}  // namespace pivot
