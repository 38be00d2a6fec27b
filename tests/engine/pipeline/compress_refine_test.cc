// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <vector>

#include "gmock/gmock.h"

#include "engine/format/checkpoint_folder.h"
#include "proto/status/reason.h"
#include "tests/engine/pipeline/compress_fixture.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class CompressRefineTest : public CompressFixture {
 protected:
  CompressRefineTest() {
    folder_.Write("evaluation.txt", PseudoEnglish(4000, 2));
    hooks_.publish = [this](const StagedPivot& staged) {
      pivots_.push_back(staged);
      return absl::OkStatus();
    };
  }

  json RefinedTask(const json& refine = json::object(), int bits = 2) const {
    json options{{"stages", "global"}, {"self_text", 0},    {"step_tokens", 1024}, {"block_steps", 24},
                 {"global_epochs", 2}, {"code_rate", 0.01}, {"global_rate", 0.003}};
    options.merge_patch(refine);
    return Task({{"bits", bits},
                 {"refine", options},
                 {"quantize", {{"clip_search", "none"}, {"refine_sweeps", 0}, {"qep_alpha", 0}}},
                 {"calibration", {{"num_samples", 96}}},
                 {"evaluation", {{"max_tokens", 8000}}}});
  }

  json ReportOf(const std::string& staging, const std::string& directory) const {
    return json::parse(*ReadSmallFile(staging + "/" + directory + "/pivot/report.json", 1 << 24));
  }

  std::vector<StagedPivot> pivots_;
};

TEST_F(CompressRefineTest, EveryPivotIsBetterThanTheOneBefore) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(RefinedTask(), staging));
  ASSERT_EQ(pivots_.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pivots_[i].number, static_cast<int>(i));
    EXPECT_EQ(pivots_[i].directory, "pivot-" + std::to_string(i));
  }
  EXPECT_LT(pivots_[1].quality["kl_mean"], pivots_[0].quality["kl_mean"]);
  EXPECT_LT(pivots_[2].quality["kl_mean"], pivots_[1].quality["kl_mean"]);
  const json report = ReportOf(staging, "pivot-2");
  EXPECT_EQ(report["quality"]["pivots"].size(), 3U);
  EXPECT_EQ(report["quality"]["pivots"][2]["kl_mean"], pivots_[2].quality["kl_mean"]);
  ASSERT_EQ(report["refinement"].size(), 2U);
  EXPECT_EQ(report["refinement"][0]["steps"].size(), 3U) << "blocks";
  EXPECT_LE(report["refinement"][1]["steps"].size(), 2U) << "epochs";
  EXPECT_LT(report["refinement"][0]["difference"].get<double>() + report["refinement"][0]["half_width"].get<double>(),
            0);
}

TEST_F(CompressRefineTest, PivotsDifferInValuesOnly) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(RefinedTask(), staging));
  ASSERT_EQ(pivots_.size(), 3U);
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder first, OpenCheckpoint(staging + "/pivot-0"));
  int changed = 0;
  for (const char* later : {"/pivot-1", "/pivot-2"}) {
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder refined, OpenCheckpoint(staging + later));
    ASSERT_EQ(refined.model.tensors().size(), first.model.tensors().size());
    for (const auto& [name, location] : first.model.tensors()) {
      const TensorInfo* info = refined.model.Find(name);
      ASSERT_NE(info, nullptr) << name;
      EXPECT_EQ(info->dtype, location.info->dtype) << name;
      EXPECT_EQ(info->shape, location.info->shape) << name;
      if (refined.model.Bytes(name) == first.model.Bytes(name)) continue;
      ++changed;
      EXPECT_THAT(name, ::testing::EndsWith(name.find("packed") == std::string::npos ? "_scale" : "_packed"));
    }
    for (const auto& entry : fs::directory_iterator(staging + "/pivot-0")) {
      if (!entry.is_regular_file()) continue;
      EXPECT_EQ(fs::file_size(staging + later + "/" + entry.path().filename().string()), entry.file_size());
    }
  }
  EXPECT_GT(changed, 30);
}

TEST_F(CompressRefineTest, AStageThatLearnsNothingPublishesNothing) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(RefinedTask({{"code_rate", 0}, {"scale_rate", 0}, {"global_rate", 0}}), staging));
  EXPECT_EQ(pivots_.size(), 1U);
  EXPECT_EQ(std::count(warnings_.begin(), warnings_.end(), "PIVOT_KEPT"), 2);
  EXPECT_FALSE(fs::exists(staging + "/pivot-1"));
}

TEST_F(CompressRefineTest, WithoutEvaluationTheBuiltInTextJudges) {
  json task = RefinedTask({{"stages", "blockwise"}});
  task["evaluation"] = {{"skip", true}};
  ASSERT_OK(Run(task, folder_ / "staging"));
  ASSERT_EQ(pivots_.size(), 2U);
  EXPECT_TRUE(pivots_[1].quality.is_null());
  EXPECT_LT(ReportOf(folder_ / "staging", "pivot-1")["refinement"][0]["difference"], 0);
}

TEST_F(CompressRefineTest, StagesGoByTheBits) {
  const auto pivots = [&](int bits, const char* stages) {
    pivots_.clear();
    const std::string staging = folder_ / (stages + std::to_string(bits));
    EXPECT_OK(Run(RefinedTask({{"stages", stages}}, bits), staging));
    return pivots_.size();
  };
  EXPECT_EQ(pivots(2, "auto"), 3U);
  EXPECT_EQ(pivots(4, "auto"), 1U);
  EXPECT_EQ(pivots(2, "none"), 1U);
  EXPECT_EQ(pivots(2, "blockwise"), 2U);
}

TEST_F(CompressRefineTest, GoesOnAfterAnyBlockOrEpochWithTheSameBytes) {
  const std::string whole = folder_ / "whole";
  ASSERT_OK(Run(RefinedTask(), whole));
  const size_t all = blocks_.size();
  ASSERT_EQ(all, 3U + 3U + 2U);
  for (size_t stop_after = 4; stop_after < all; ++stop_after) {
    const std::string staging = folder_ / ("stopped" + std::to_string(stop_after));
    blocks_.clear();
    hooks_.is_cancelled = [&] { return blocks_.size() >= stop_after; };
    EXPECT_THAT(Run(RefinedTask(), staging), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
    hooks_.is_cancelled = nullptr;
    blocks_.clear();
    ASSERT_OK(Run(RefinedTask(), staging));
    ASSERT_EQ(blocks_.size(), all);
    for (size_t i = 0; i < stop_after; ++i) EXPECT_TRUE(blocks_[i].resumed) << i << " after " << stop_after;
    for (const char* pivot : {"/pivot-1", "/pivot-2"})
      EXPECT_EQ(ContentOf(staging + pivot), ContentOf(whole + pivot)) << pivot << " after " << stop_after;
  }
}

TEST_F(CompressRefineTest, BeginsAStageAnewWhenWhatItLearnedIsDamaged) {
  const std::string whole = folder_ / "whole";
  ASSERT_OK(Run(RefinedTask(), whole));
  const std::string staging = folder_ / "staging";
  blocks_.clear();
  hooks_.is_cancelled = [this] { return blocks_.size() >= 4; };
  EXPECT_THAT(Run(RefinedTask(), staging), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
  hooks_.is_cancelled = nullptr;
  int damaged = 0;
  for (const auto& entry : fs::directory_iterator(staging + "/shards-blockwise")) {
    if (entry.path().filename().string().find("carried") == std::string::npos) continue;
    fs::resize_file(entry.path(), 100);
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  warnings_.clear();
  ASSERT_OK(Run(RefinedTask(), staging));
  EXPECT_THAT(warnings_, ::testing::Contains("SHARD_DAMAGED"));
  EXPECT_EQ(ContentOf(staging + "/pivot-2"), ContentOf(whole + "/pivot-2"));
}

TEST_F(CompressRefineTest, RefusesStagesThatHaveNothingToLearn) {
  const auto fault = [&](const json& changes) {
    json task = RefinedTask();
    task.merge_patch(changes);
    return Run(task, folder_ / "staging");
  };
  EXPECT_THAT(fault({{"quantize", {{"method", "rtn"}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("refine.stages")));
  EXPECT_THAT(fault({{"format", "fp8"}, {"bits", 0}, {"group_size", 0}}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("refine.stages")));
  EXPECT_THAT(fault({{"refine", {{"code_rate", 2}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("refine.code_rate")));
  EXPECT_THAT(fault({{"refine", {{"block_steps", -1}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("refine.block_steps")));
}

TEST_F(CompressRefineTest, OtherFormatsAndMixturesAreRefinedToo) {
  for (const char* format : {"gptq_v2", "mixed_gptq"}) {
    pivots_.clear();
    json task = RefinedTask({{"stages", "blockwise"}}, 3);
    task["format"] = format;
    if (std::string(format) == "mixed_gptq") task["bits"] = 2;
    ASSERT_OK(Run(task, folder_ / format));
    EXPECT_EQ(pivots_.size(), 2U) << format;
  }
}

}  // namespace
}  // namespace pivot
