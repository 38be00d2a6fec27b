// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/checkpoint/narrow_tensor.h"
#include "engine/format/checkpoint_folder.h"
#include "engine/forward/weights.h"
#include "engine/plan/output_bytes.h"
#include "proto/status/reason.h"
#include "tests/engine/pipeline/compress_fixture.h"

namespace pivot {
namespace {

using nlohmann::json;

class CompressBudgetTest : public CompressFixture {
 protected:
  /// Of what the budget counts.
  static int64_t SizeOf(const std::string& pivot) {
    int64_t total = 0;
    for (const auto& entry : std::filesystem::directory_iterator(pivot))
      if (entry.is_regular_file()) total += static_cast<int64_t>(entry.file_size());
    return total;
  }

  static json PlanOf(const std::string& staging) {
    return json::parse(*ReadSmallFile(staging + "/pivot-0/pivot/plan.json", 1 << 24));
  }
};

TEST_F(CompressBudgetTest, AFractionOfABitIsSpentByMeasurement) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task({{"bits", 3.5}}), staging));
  const json allocation = Report(staging)["allocation"];
  ASSERT_EQ(allocation["units"].size(), 13U);
  EXPECT_FALSE(allocation.contains("defect"));
  EXPECT_GT(allocation["units"][12]["costs"]["embedding"], 0);
  EXPECT_EQ(allocation["units"][12]["costs"]["as_is"], 0);
  for (const json& unit : allocation["units"]) {
    if (unit["name"] == "ends") continue;
    EXPECT_GT(unit["costs"]["2/64"], 0) << unit["name"];
    EXPECT_GT(unit["costs"]["2"], unit["costs"]["3"]) << unit["name"];
    EXPECT_GT(unit["costs"]["3"], 0) << unit["name"];
    EXPECT_EQ(unit["costs"]["16"], 0) << unit["name"];
  }
  EXPECT_EQ(allocation["probes"].size(), 12U);
  for (const json& probe : allocation["probes"]) {
    EXPECT_GT(probe["measured"], 0) << probe;
    EXPECT_GT(probe["estimated"], 0) << probe;
  }
  const int64_t bytes = SizeOf(staging + "/pivot-0");
  EXPECT_LE(bytes, allocation["max_bytes"].get<int64_t>());
  EXPECT_EQ(bytes, allocation["total_bytes"]);
  EXPECT_EQ(bytes, PlanOf(staging)["total_bytes"]);
  // It opens as what the plan says.
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder folder, OpenCheckpoint(staging + "/pivot-0"));
  const json plan = PlanOf(staging);
  for (const json& module : plan["modules"]) {
    const std::string name = module["name"];
    for (const BlockLinear& linear : BlockLinears(folder.model.config(), 1)) {
      if (linear.module != name) continue;
      EXPECT_EQ(folder.StorageOf(name, linear.shape)->scheme.bits, module["bits"]) << name;
    }
  }
}

TEST_F(CompressBudgetTest, EqualJobsWriteEqualBytesAndUseMeasurementsAgain) {
  const json task = Task({{"bits", 2.5}});
  ASSERT_OK(Run(task, folder_ / "first"));
  ASSERT_OK(Run(task, folder_ / "second"));
  EXPECT_EQ(ContentOf(folder_ / "first/pivot-0"), ContentOf(folder_ / "second/pivot-0"));

  // As after a crash behind the measurement: made-up costs tell that they were taken over.
  const std::string kept = folder_ / "first/allocation.json";
  json allocation = json::parse(*ReadSmallFile(kept, 1 << 24));
  for (json& unit : allocation["report"]["units"]) unit["costs"]["2"] = 1e9;
  ASSERT_OK(MakeFolders(folder_ / "third"));
  ASSERT_OK(WriteFileDurably(folder_ / "third/allocation.json", allocation.dump()));
  ASSERT_OK(Run(Task({{"bits", 2.5}}), folder_ / "third"));
  EXPECT_EQ(Report(folder_ / "third")["allocation"]["units"][0]["costs"]["2"], 1e9);

  // Those of other work are not.
  ASSERT_OK(MakeFolders(folder_ / "fourth"));
  ASSERT_OK(WriteFileDurably(folder_ / "fourth/allocation.json", allocation.dump()));
  ASSERT_OK(Run(Task({{"bits", 3.5}}), folder_ / "fourth"));
  EXPECT_LT(Report(folder_ / "fourth")["allocation"]["units"][0]["costs"]["2"], 1e6);
}

TEST_F(CompressBudgetTest, AMeasurementAloneGivesThePlanOfTheWholeJob) {
  ASSERT_OK(Run(Task({{"bits", 2.5}, {"measure_only", true}}), folder_ / "plan"));
  ASSERT_TRUE(published_.has_value());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "plan/pivot-0/config.json"));
  ASSERT_OK(Run(Task({{"bits", 2.5}}), folder_ / "whole"));
  EXPECT_EQ(PlanOf(folder_ / "plan"), PlanOf(folder_ / "whole"));
  EXPECT_EQ(Report(folder_ / "plan")["allocation"]["units"], Report(folder_ / "whole")["allocation"]["units"]);
}

TEST_F(CompressBudgetTest, AFileOfRulesIsFollowedAndKeptLayersAreTheSourcesOwn) {
  const std::string rules = R"({"schema": 1, "rules": [{"match": "*.mlp.*", "bits": 3},
                                {"match": "model.layers.0.*", "keep": true}]})";
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task({{"plan_rules", rules}}), staging));
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder folder, OpenCheckpoint(staging + "/pivot-0"));
  const json plan = PlanOf(staging);
  const auto bits = [&](const char* name) {
    for (const json& module : plan["modules"])
      if (module["name"] == name) return module["bits"].get<int>();
    return 0;
  };
  EXPECT_EQ(bits("model.layers.0.self_attn.q_proj"), 16);
  EXPECT_EQ(bits("model.layers.1.self_attn.q_proj"), 4);
  EXPECT_EQ(bits("model.layers.1.mlp.down_proj"), 3);
  EXPECT_NE(folder.model.Find("model.layers.0.mlp.up_proj.weight"), nullptr);
  EXPECT_EQ(folder.model.Find("model.layers.1.mlp.up_proj.weight"), nullptr);
}

TEST_F(CompressBudgetTest, NarrowEndsAreTheNearest8BitFloatsAndReadBackAsSuch) {
  for (const bool tied : {true, false}) {
    std::filesystem::remove_all(model_);
    ASSERT_OK(WriteTinyModel(model_, {.num_blocks = 3, .tied_embeddings = tied}));
    json rules = json::parse(R"({"schema": 1, "rules": [{"match": "model.embed_tokens", "bits": 8}]})");
    if (!tied) rules["rules"].push_back({{"match", "lm_head"}, {"bits", 8}});
    const std::string staging = folder_ / (tied ? "tied" : "untied");
    ASSERT_OK(Run(Task({{"plan_rules", rules.dump()}}), staging));
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder source, OpenCheckpoint(model_));
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder folder, OpenCheckpoint(staging + "/pivot-0"));
    EXPECT_EQ(folder.Schemes().ends(), (NarrowEnds{.embedding = true, .head = !tied}));
    const WeightReader original(source, at::kFloat, at::kCPU);
    const WeightReader narrow(folder, at::kFloat, at::kCPU);
    EXPECT_TRUE(at::equal(narrow.ReadEmbedding()->tokens, RoundToFloat8(original.ReadEmbedding()->tokens)));
    EXPECT_TRUE(at::equal(narrow.ReadHead()->head.weight, RoundToFloat8(original.ReadHead()->head.weight)));
    EXPECT_FALSE(at::equal(narrow.ReadHead()->head.weight, original.ReadHead()->head.weight));
    EXPECT_EQ(SizeOf(staging + "/pivot-0"), PlanOf(staging)["total_bytes"]);
    EXPECT_LT(Report(staging)["reload_kl"].get<double>(), 1e-6);
    // The plan is a file of rules itself.
    const std::string again = folder_ / (tied ? "tied again" : "untied again");
    ASSERT_OK(Run(Task({{"plan_rules", PlanOf(staging).dump()}}), again));
    EXPECT_EQ(*Sha256OfFile(again + "/pivot-0/model-00004-of-00004.safetensors"),
              *Sha256OfFile(staging + "/pivot-0/model-00004-of-00004.safetensors"));
  }
}

TEST_F(CompressBudgetTest, EndsThatDoNotFitStayAsTheyAre) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(model_));
  // Made large where it lies.
  const TensorInfo* info = source.Find("model.embed_tokens.weight");
  ASSERT_NE(info, nullptr);
  const absl::string_view bytes = source.Bytes(info->name);
  const std::string path = model_ + "/model.safetensors";
  std::string file = *ReadSmallFile(path, 1 << 24);
  const size_t place = file.find(std::string(bytes));
  ASSERT_NE(place, std::string::npos);
  file[place] = '\x00';
  file[place + 1] = '\x44';  // 512 in bf16
  ASSERT_OK(WriteFileDurably(path, file));
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task({{"bits", 2.5}}), staging));
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder folder, OpenCheckpoint(staging + "/pivot-0"));
  EXPECT_FALSE(folder.Schemes().ends().any());
  const std::string rules = R"({"schema": 1, "rules": [{"match": "model.embed_tokens", "bits": 8}]})";
  EXPECT_THAT(Run(Task({{"plan_rules", rules}}), folder_ / "refused"),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("beyond 448")));
}

}  // namespace
}  // namespace pivot
