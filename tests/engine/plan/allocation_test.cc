// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/allocation.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/plan/output_bytes.h"
#include "engine/plan/planned_schemes.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;

class AllocationTest : public ::testing::Test {
 protected:
  AllocationTest() : source_(Make()) {}

  ModelFolder Make() {
    EXPECT_OK(WriteTinyModel(folder_ / "source", {.num_blocks = 3}));
    return *ModelFolder::Open(folder_ / "source");
  }

  absl::StatusOr<CompressSpec> Spec(const json& members) {
    json task = {{"source", {{"path", folder_ / "source"}}}, {"group_size", 32}};
    task.merge_patch(members);
    return ResolveCompressSpec(task, source_, DeviceKind::kCpu);
  }

  int64_t UniformBytes(int bits) {
    const auto spec = Spec({{"bits", bits}});
    EXPECT_OK(spec);
    return *OutputBytes(source_, ModelSchemes::Uniform(source_.config(), spec->scheme), *spec);
  }

  /// 16 of a layer as it is.
  static int WidthOf(const UnitChoice& choice) { return choice.scheme.has_value() ? choice.scheme->bits : 16; }

  static std::vector<std::string> NamesOf(const PlanUnit& unit, const std::vector<UnitChoice>& choices,
                                          const CompressSpec& spec) {
    std::vector<std::string> names;
    for (const UnitChoice& choice : choices) names.push_back(ChoiceName(unit, choice, spec.scheme));
    return names;
  }

  TemporaryFolder folder_;
  ModelFolder source_;
};

TEST_F(AllocationTest, AUnitIsWhatARuntimeFuses) {
  const std::vector<PlanUnit> units = PlanUnits(source_.config());
  ASSERT_EQ(units.size(), 12U);  // qkv, o, gate_up and down of three blocks
  EXPECT_EQ(units[0].name, "model.layers.0.self_attn.qkv_proj");
  EXPECT_EQ(units[0].roles.size(), 3U);
  EXPECT_EQ(units[3].name, "model.layers.0.mlp.down_proj");
}

TEST_F(AllocationTest, EveryWidthAndTheLayerAsItIsAreOffered) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"bits", 3.5}, {"group_size", -1}}));
  const std::vector<PlanUnit> units = PlanUnits(source_, spec);
  const std::vector<std::vector<UnitChoice>> choices = UnitChoices(source_, spec);
  ASSERT_EQ(units.size(), 13U) << "the ends behind the blocks";
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(NamesOf(units[i], choices[i], spec), (std::vector<std::string>{"2", "3", "4", "5", "6", "7", "8", "16"}));
    for (size_t j = 1; j < choices[i].size(); ++j) EXPECT_GT(choices[i][j].bytes, choices[i][j - 1].bytes);
  }
}

TEST_F(AllocationTest, LargerGroupsThatDivideAllRowsAreOfferedToo) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"bits", 3.5}}));
  const std::vector<PlanUnit> units = PlanUnits(source_, spec);
  const std::vector<std::vector<UnitChoice>> choices = UnitChoices(source_, spec);
  const std::vector<std::string> query = NamesOf(units[0], choices[0], spec);  // of 64 columns
  EXPECT_THAT(query, ::testing::Contains("3/64"));
  EXPECT_THAT(query, ::testing::Not(::testing::Contains("3/128")));
  EXPECT_THAT(NamesOf(units[3], choices[3], spec), ::testing::Contains("3/128"));  // down_proj, of 128
  ASSERT_OK_AND_ASSIGN(const CompressSpec gguf, Spec({{"bits", 3.5}, {"format", "gguf"}}));
  EXPECT_THAT(NamesOf(units[3], UnitChoices(source_, gguf)[3], gguf), ::testing::Not(::testing::Contains("8/128")));
}

TEST_F(AllocationTest, EndsMayBeNarrowWhereFilesAreCounted) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"bits", 3.5}}));
  const PlanUnit ends = PlanUnits(source_, spec).back();
  ASSERT_TRUE(ends.is_ends());
  const std::vector<UnitChoice> tied = UnitChoices(source_, spec).back();
  EXPECT_EQ(NamesOf(ends, tied, spec), (std::vector<std::string>{"as_is", "embedding"}));
  EXPECT_EQ(tied[0].bytes, 2 * tied[1].bytes);

  EXPECT_OK(WriteTinyModel(folder_ / "untied", {.tied_embeddings = false}));
  ASSERT_OK_AND_ASSIGN(const ModelFolder untied, ModelFolder::Open(folder_ / "untied"));
  const std::vector<UnitChoice> both = UnitChoices(untied, spec).back();
  EXPECT_EQ(NamesOf(ends, both, spec), (std::vector<std::string>{"as_is", "embedding", "head", "embedding+head"}));
  EXPECT_EQ(both[0].bytes, 2 * both[3].bytes);

  for (const json& other :
       {json{{"vram_bytes", 3000000000}, {"context_tokens", 64}}, json{{"max_bytes", 1 << 20}, {"format", "gptq"}}}) {
    ASSERT_OK_AND_ASSIGN(const CompressSpec without, Spec(other));
    EXPECT_FALSE(PlanUnits(source_, without).back().is_ends()) << other;
  }
}

TEST_F(AllocationTest, ChoosesNarrowEndsWhereTheySaveMoreThanTheyCost) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"bits", 2.5}}));
  ASSERT_OK_AND_ASSIGN(const int64_t budget, BudgetBytes(source_, spec));
  const std::vector<PlanUnit> units = PlanUnits(source_, spec);
  std::vector<std::vector<UnitChoice>> choices = UnitChoices(source_, spec);
  FillPriorCosts(source_.config(), units, choices);
  ASSERT_OK_AND_ASSIGN(const Allocation narrow, Allocate(source_, spec, units, choices, budget));
  EXPECT_TRUE(narrow.schemes.ends().embedding);
  choices.back()[1].cost = 1e9;
  ASSERT_OK_AND_ASSIGN(const Allocation wide, Allocate(source_, spec, units, choices, budget));
  EXPECT_FALSE(wide.schemes.ends().any());
}

TEST_F(AllocationTest, AFormatOffersOnlyWhatItHolds) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"max_bytes", 1 << 20}, {"format", "both"}}));
  const std::vector<std::vector<UnitChoice>> choices = UnitChoices(source_, spec);
  for (const UnitChoice& choice : choices[0]) EXPECT_THAT(WidthOf(choice), ::testing::AnyOf(4, 8, 16));
  EXPECT_EQ(choices.size(), 12U) << "no narrow ends";
}

TEST_F(AllocationTest, FitsTheBudgetToTheByteAndUsesIt) {
  for (const double bits : {2.0, 2.5, 3.0, 3.7, 5.25}) {
    ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"bits", bits}, {"plan_kind", "auto"}}));
    ASSERT_OK_AND_ASSIGN(const int64_t budget, BudgetBytes(source_, spec));
    ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, PlannedSchemes(source_, spec));
    ASSERT_OK_AND_ASSIGN(const int64_t bytes, OutputBytes(source_, schemes, spec));
    EXPECT_LE(bytes, budget) << bits;
    EXPECT_GT(bytes, budget - budget / 20) << bits;
  }
}

TEST_F(AllocationTest, SpendsBitsWhereTheyCostMost) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"bits", 3.5}}));
  const std::vector<PlanUnit> units = PlanUnits(source_, spec);
  std::vector<std::vector<UnitChoice>> choices = UnitChoices(source_, spec);
  FillPriorCosts(source_.config(), units, choices);
  for (UnitChoice& choice : choices[5]) choice.cost *= 1000;
  ASSERT_OK_AND_ASSIGN(const int64_t budget, BudgetBytes(source_, spec));
  ASSERT_OK_AND_ASSIGN(const Allocation allocation, Allocate(source_, spec, units, choices, budget));
  const int dear = WidthOf(choices[5][static_cast<size_t>(allocation.chosen[5])]);
  EXPECT_GT(dear, WidthOf(choices[9][static_cast<size_t>(allocation.chosen[9])]));
  EXPECT_EQ(allocation.gap, 0);
}

TEST_F(AllocationTest, ABudgetThatNothingFitsSaysHowManyBytesAreMissing) {
  const int64_t least = UniformBytes(2);
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"max_bytes", least - 1000}, {"plan_kind", "uniform"}}));
  const auto schemes = PlannedSchemes(source_, spec);
  EXPECT_EQ(schemes.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(schemes.status()), "BUDGET_TOO_SMALL");
  EXPECT_THAT(schemes.status().message(), HasSubstr("1000 more"));
}

TEST_F(AllocationTest, AGpuWithoutRoomForTheSmallestModelIsToldOfWithTheBytesItLacks) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"vram_bytes", 1000000000}, {"context_tokens", 64}}));
  const auto budget = BudgetBytes(source_, spec);
  EXPECT_EQ(FieldOf(budget.status()), "job.spec.compress.vram_bytes");
  EXPECT_THAT(budget.status().message(), HasSubstr(std::to_string(UniformBytes(2))));
  ASSERT_OK_AND_ASSIGN(const CompressSpec roomy, Spec({{"vram_bytes", 3000000000}, {"context_tokens", 64}}));
  ASSERT_OK_AND_ASSIGN(const int64_t bytes, BudgetBytes(source_, roomy));
  EXPECT_GT(bytes, UniformBytes(8));
}

TEST_F(AllocationTest, AUniformPlanTakesTheWidestCodesThatFit) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Spec({{"max_bytes", UniformBytes(6) - 1}, {"plan_kind", "uniform"}}));
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, PlannedSchemes(source_, spec));
  ASSERT_EQ(schemes.Distinct().size(), 1U);
  EXPECT_EQ(schemes.Distinct()[0].bits, 5);
}

TEST_F(AllocationTest, RulesThatAFormatDoesNotHoldAreRefused) {
  const std::string rules = R"({"schema": 1, "rules": [{"match": "*.down_proj", "bits": 3}]})";
  ASSERT_OK_AND_ASSIGN(const CompressSpec mixed, Spec({{"plan_rules", rules}}));
  ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, PlannedSchemes(source_, mixed));
  EXPECT_EQ(schemes.at(1, LinearRole::kDown)->bits, 3);
  EXPECT_EQ(schemes.at(1, LinearRole::kUp)->bits, 4);
  ASSERT_OK_AND_ASSIGN(const CompressSpec both, Spec({{"plan_rules", rules}, {"format", "both"}}));
  EXPECT_EQ(FieldOf(PlannedSchemes(source_, both).status()), "job.spec.compress.plan_rules");
}

struct WrongBudget {
  const char* members;
  const char* message;
};

class WrongBudgetTest : public AllocationTest, public ::testing::WithParamInterface<WrongBudget> {};

TEST_P(WrongBudgetTest, IsRefusedByName) {
  const auto spec = Spec(json::parse(GetParam().members));
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(spec.status().message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Budgets, WrongBudgetTest,
    ::testing::Values(WrongBudget{R"({"bits": 1.5})", "bits is 1.5; allowed: 2 to 8"},
                      WrongBudget{R"({"bits": 4, "max_bytes": 1000})", "name one"},
                      WrongBudget{R"({"max_bytes": -1})", "max_bytes must be"},
                      WrongBudget{R"({"context_tokens": 100})", "context_tokens goes with vram_bytes"},
                      WrongBudget{R"({"bits": 3.5, "plan_kind": "uniform"})", "a uniform model takes a whole number"},
                      WrongBudget{R"({"bits": 3.5, "quantize": {"method": "rtn"}})",
                                  "cannot be auto with the method rtn"},
                      WrongBudget{R"({"plan_kind": "rules"})", "plan_rules is missing"},
                      WrongBudget{R"({"plan_kind": "auto", "plan_rules": "{}"})", "goes with plan_kind rules"},
                      WrongBudget{R"({"plan_kind": "auto", "format": "fp8", "group_size": 0})", "has one width"}));

}  // namespace
}  // namespace pivot
