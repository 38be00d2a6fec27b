// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_trial.h"

#include <ATen/ATen.h>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/block_linears.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using nlohmann::json;

class PlanTrialTest : public ::testing::Test {
 protected:
  PlanTrialTest() : source_(Make()), reader_(source_, at::kFloat, at::kCPU) {
    const json task = {{"source", {{"path", folder_ / "model"}}}, {"bits", 3.5}, {"group_size", 32}};
    spec_ = *ResolveCompressSpec(task, source_.model, DeviceKind::kCpu);
  }

  CheckpointFolder Make() {
    EXPECT_OK(WriteTinyModel(folder_ / "model", {.num_blocks = 2}));
    return *OpenCheckpoint(folder_ / "model");
  }

  static WeightScheme Bits(int bits) { return {.bits = bits, .group_size = 32}; }

  /// Codes of one width but for those of the last block's down_proj.
  MeasuredPlan Plan(int bits, int down_bits, int uniform_bits) const {
    MeasuredPlan plan{.schemes = ModelSchemes::Uniform(source_.model.config(), Bits(bits)),
                      .cost = 1,
                      .uniform_cost = 1,
                      .uniform = Bits(uniform_bits)};
    plan.schemes.Set(1, LinearRole::kDown, Bits(down_bits));
    return plan;
  }

  absl::Status Settle(MeasuredPlan& plan) {
    at::manual_seed(3);
    return SettlePlan({.source = &reader_,
                       .spec = &spec_,
                       .device = &device_,
                       .windows = at::randint(kTinyVocabulary, {6, 48}, at::kLong),
                       .folder = folder_ / "trial"},
                      {}, plan);
  }

  TemporaryFolder folder_;
  CheckpointFolder source_;
  WeightReader reader_;
  CompressSpec spec_;
  ComputeDevice device_;
};

TEST_F(PlanTrialTest, KeepsThePlanThatIsBetter) {
  MeasuredPlan plan = Plan(5, 6, 2);
  ASSERT_OK(Settle(plan));
  const json& comparison = plan.report["comparison"];
  EXPECT_EQ(comparison["kept"], "plan");
  EXPECT_LT(comparison["plan_kl"], comparison["uniform_kl"]);
  EXPECT_GT(comparison["plan_kl"], 0);
  EXPECT_EQ(comparison["tokens"], 2 * 48);
  EXPECT_EQ(plan.schemes.at(1, LinearRole::kDown), Bits(6));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "trial"));
}

TEST_F(PlanTrialTest, TakesTheUniformModelThatIsBetter) {
  MeasuredPlan plan = Plan(2, 3, 6);
  ASSERT_OK(Settle(plan));
  EXPECT_EQ(plan.report["comparison"]["kept"], "uniform");
  EXPECT_EQ(plan.schemes.at(1, LinearRole::kDown), Bits(6));
  EXPECT_EQ(plan.schemes.at(0, LinearRole::kQuery), Bits(6));
}

TEST_F(PlanTrialTest, BelievesEstimatesThatAreFarApart) {
  MeasuredPlan plan = Plan(2, 3, 6);
  plan.uniform_cost = 2;
  ASSERT_OK(Settle(plan));
  EXPECT_FALSE(plan.report.contains("comparison"));
  EXPECT_EQ(plan.schemes.at(1, LinearRole::kDown), Bits(3));
}

TEST_F(PlanTrialTest, UsesWhatAnEarlierAttemptMeasured) {
  MeasuredPlan plan = Plan(5, 6, 2);
  plan.report["comparison"] = {{"plan_kl", 2.0}, {"uniform_kl", 1.0}};
  ASSERT_OK(Settle(plan));
  EXPECT_EQ(plan.report["comparison"]["kept"], "uniform");
  EXPECT_EQ(plan.schemes.at(1, LinearRole::kDown), Bits(2));
}

TEST_F(PlanTrialTest, HasNothingToCompareWithWhereThePlanIsUniform) {
  MeasuredPlan plan = Plan(4, 4, 4);
  ASSERT_OK(Settle(plan));
  EXPECT_FALSE(plan.report.contains("comparison"));
}

}  // namespace
}  // namespace pivot
