// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/format/checkpoint_folder.h"
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
  EXPECT_EQ(allocation["units"].size(), 12U);
  EXPECT_FALSE(allocation.contains("defect"));
  for (const json& unit : allocation["units"]) {
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

}  // namespace
}  // namespace pivot
