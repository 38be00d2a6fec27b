// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>
#include <map>

#include "gmock/gmock.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/page/report_page.h"
#include "engine/plan/plan.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "tests/engine/pipeline/compress_fixture.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class CompressTest : public CompressFixture {
 protected:
  std::vector<double> LossesByBits(const json& quantize);
};

TEST_F(CompressTest, WritesAFolderThatOpensAndIsAsLargeAsPlanned) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task(), staging));
  ASSERT_TRUE(published_.has_value());
  EXPECT_EQ(published_->directory, "pivot-0");
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder pivot, OpenCheckpoint(staging + "/pivot-0"));
  EXPECT_TRUE(pivot.quantization.has_value());
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(staging + "/pivot-0")) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  const json plan = json::parse(*ReadSmallFile(staging + "/pivot-0/pivot/plan.json", 1 << 24));
  EXPECT_EQ(plan["total_bytes"], bytes);
  EXPECT_EQ(plan["modules"].size(), 3U * 7U);
}

TEST_F(CompressTest, KeepsWhatItDoesNotQuantizeByteForByte) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task(), staging));
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(model_));
  ASSERT_OK_AND_ASSIGN(const ModelFolder pivot, ModelFolder::Open(staging + "/pivot-0"));
  int kept = 0;
  for (const auto& [name, location] : source.tensors()) {
    if (pivot.Find(name) == nullptr) continue;
    ++kept;
    EXPECT_EQ(pivot.Bytes(name), source.Bytes(name)) << name;
  }
  EXPECT_EQ(kept, 2 + 3 * 2) << "embedding, final norm and two norms a block";
  EXPECT_EQ(*Sha256OfFile(staging + "/pivot-0/tokenizer.json"), *Sha256OfFile(model_ + "/tokenizer.json"));
}

TEST_F(CompressTest, ReportsWhatItMeasured) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task(), staging));
  const json report = Report(staging);
  EXPECT_EQ(report["schema"], 1);
  EXPECT_EQ(report["calibration"]["tokens_used"], 6 * 64);
  EXPECT_EQ(report["blocks"].size(), 3U);
  EXPECT_EQ(report["blocks"][0]["linears"].size(), 7U);
  const double error = report["blocks"][0]["relative_error"];
  EXPECT_GT(error, 1e-5);
  EXPECT_LT(error, 0.05) << "four bits lose about half a per cent of random weights";
  EXPECT_GT(report["quality"]["pivots"][0]["kl_mean"], 0);
  EXPECT_LT(report["quality"]["pivots"][0]["kl_mean"], 0.1);
  EXPECT_EQ(report["quality"]["original"]["tokens"], 900);
  EXPECT_LT(std::abs(report["reload_kl"].get<double>()), 1e-6);
  EXPECT_EQ(published_->quality["perplexity"], report["quality"]["pivots"][0]["perplexity"]);
}

/// KL at 2, 3, 4 and 8 bits.
std::vector<double> CompressTest::LossesByBits(const json& quantize) {
  std::vector<double> losses;
  for (const int bits : {2, 3, 4, 8}) {
    const std::string staging = folder_ / ("staging" + std::to_string(bits));
    EXPECT_OK(RemoveAll(staging));
    EXPECT_OK(Run(Task({{"bits", bits}, {"quantize", quantize}}), staging));
    losses.push_back(Report(staging)["quality"]["pivots"][0]["kl_mean"]);
  }
  return losses;
}

TEST_F(CompressTest, MoreBitsLoseLess) {
  const std::vector<double> losses = LossesByBits(json::object());
  EXPECT_GT(losses[0], 3 * losses[1]);
  EXPECT_GT(losses[1], 2 * losses[2]);
  EXPECT_GT(losses[2], 100 * losses[3]);
}

TEST_F(CompressTest, MoreBitsLoseLessWithoutRegularization) {
  const std::vector<double> losses = LossesByBits({{"regularization", 0}});
  EXPECT_THAT(losses, ::testing::WhenSortedBy(std::greater<>(), ::testing::ElementsAreArray(losses)));
  EXPECT_GT(losses[0], 10 * losses[2]);
}

TEST_F(CompressTest, EqualJobsWriteEqualBytes) {
  ASSERT_OK(Run(Task(), folder_ / "a"));
  ASSERT_OK(Run(Task(), folder_ / "b"));
  EXPECT_EQ(ContentOf(folder_ / "a/pivot-0"), ContentOf(folder_ / "b/pivot-0"));
  ASSERT_OK(Run(Task({{"calibration", {{"seed", 1}}}}), folder_ / "c"));
  EXPECT_NE(ContentOf(folder_ / "a/pivot-0"), ContentOf(folder_ / "c/pivot-0"));
}

TEST_F(CompressTest, ResumesAfterAnyBlockWithTheSameBytes) {
  for (const char* dtype : {"float32", "bfloat16"}) {
    const std::string whole = folder_ / (std::string("whole-") + dtype);
    ASSERT_OK(Run(Task({{"compute_dtype", dtype}}), whole));
    for (size_t stop_after = 1; stop_after <= 3; ++stop_after) {
      const std::string staging = folder_ / (std::string(dtype) + std::to_string(stop_after));
      blocks_.clear();
      hooks_.is_cancelled = [&] { return blocks_.size() >= stop_after; };
      EXPECT_THAT(Run(Task({{"compute_dtype", dtype}}), staging), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
      hooks_.is_cancelled = nullptr;
      blocks_.clear();
      ASSERT_OK(Run(Task({{"compute_dtype", dtype}}), staging));
      ASSERT_EQ(blocks_.size(), 3U);
      // The last block is told of when the next one is computed, and that one is still written.
      for (size_t i = 0; i < 3; ++i) EXPECT_EQ(blocks_[i].resumed, i < stop_after + 1) << i;
      EXPECT_EQ(ContentOf(staging + "/pivot-0"), ContentOf(whole + "/pivot-0")) << dtype << " after " << stop_after;
    }
  }
}

TEST_F(CompressTest, DoesADamagedShardAgain) {
  ASSERT_OK(Run(Task(), folder_ / "whole"));
  const std::string staging = folder_ / "staging";
  hooks_.is_cancelled = [this] { return blocks_.size() >= 3 + 2; };
  EXPECT_THAT(Run(Task(), staging), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
  hooks_.is_cancelled = nullptr;
  fs::resize_file(staging + "/shards/model-00002-of-00004.safetensors", 100);
  blocks_.clear();
  ASSERT_OK(Run(Task(), staging));
  EXPECT_THAT(warnings_, ::testing::Contains("SHARD_DAMAGED"));
  EXPECT_TRUE(blocks_[0].resumed);
  EXPECT_FALSE(blocks_[1].resumed);
  EXPECT_EQ(ContentOf(staging + "/pivot-0"), ContentOf(folder_ / "whole/pivot-0"));
}

TEST_F(CompressTest, StartsOverWhenTheWorkDiffersAndSaysSo) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task({{"bits", 3}}), staging));
  blocks_.clear();
  ASSERT_OK(Run(Task(), staging));
  EXPECT_THAT(warnings_, ::testing::Contains("RESUME_REFUSED"));
  EXPECT_FALSE(blocks_[0].resumed);
  ASSERT_OK(Run(Task(), folder_ / "fresh"));
  EXPECT_EQ(ContentOf(staging + "/pivot-0"), ContentOf(folder_ / "fresh/pivot-0"));
}

TEST_F(CompressTest, WritesThePageOfItsReport) {
  const json skipped{{"skip", true}, {"text_path", nullptr}, {"max_tokens", nullptr}};
  for (const json& changes : {json::object(), json{{"quantize", {{"method", "rtn"}}}, {"evaluation", skipped}}}) {
    const std::string staging = folder_ / (changes.empty() ? "gptq" : "rtn");
    ASSERT_OK(Run(Task(changes), staging));
    ASSERT_OK_AND_ASSIGN(const std::string plan, ReadSmallFile(staging + "/pivot-0/pivot/plan.json", 1 << 24));
    ASSERT_OK_AND_ASSIGN(const std::string page, ReadSmallFile(staging + "/pivot-0/pivot/report.html", 1 << 24));
    EXPECT_EQ(page, ReportPage(Report(staging), json::parse(plan)));
    EXPECT_THAT(page, HasSubstr("model.layers.2.mlp.down_proj: 4 bits"));
  }
}

TEST_F(CompressTest, TheFileListCoversTheFolder) {
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task(), staging));
  const json list = json::parse(*ReadSmallFile(staging + "/pivot-0.files.json", 1 << 24));
  std::map<std::string, std::vector<int64_t>> listed;
  for (const json& file : list["files"]) listed[file["path"]] = file["pieces"].get<std::vector<int64_t>>();
  EXPECT_TRUE(listed.contains("pivot/report.html"));
  for (const auto& [path, hash] : ContentOf(staging + "/pivot-0")) {
    ASSERT_TRUE(listed.contains(path)) << path;
    EXPECT_OK(HashFile(staging + "/pivot-0", path, listed[path]));
  }
}

TEST_F(CompressTest, RoundsToNearestWithoutCalibration) {
  const std::string staging = folder_ / "staging";
  const json task = Task({{"quantize", {{"method", "rtn"}}}, {"calibration", {{"text_path", "/no/such/file"}}}});
  ASSERT_OK(Run(task, staging));
  ASSERT_OK(Run(Task(), folder_ / "gptq"));
  EXPECT_FALSE(Report(staging).contains("reload_kl")) << "no model was in memory";
  EXPECT_GT(Report(staging)["quality"]["pivots"][0]["kl_mean"],
            Report(folder_ / "gptq")["quality"]["pivots"][0]["kl_mean"]);
}

TEST_F(CompressTest, TakesQwen2WithItsBiases) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "qwen2", .tied_embeddings = false}));
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task(), staging));
  ASSERT_OK_AND_ASSIGN(const ModelFolder pivot, ModelFolder::Open(staging + "/pivot-0"));
  EXPECT_NE(pivot.Find("model.layers.0.self_attn.q_proj.bias"), nullptr);
  EXPECT_NE(pivot.Find("lm_head.weight"), nullptr);
  EXPECT_LT(Report(staging)["quality"]["pivots"][0]["kl_mean"], 0.1);
}

TEST_F(CompressTest, MeasuresNothingWhenAskedTo) {
  const std::string staging = folder_ / "staging";
  json task = Task();
  task["evaluation"] = {{"skip", true}};
  ASSERT_OK(Run(task, staging));
  EXPECT_TRUE(published_->quality.is_null());
  EXPECT_FALSE(Report(staging)["quality"].contains("original"));
}

TEST_F(CompressTest, RefusesATextShorterThanAWindow) {
  folder_.Write("calibration.txt", "too short");
  const absl::Status status = Run(Task(), folder_ / "staging");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("one window needs 64")));
  EXPECT_EQ(ReasonOf(status), "TEXT_TOO_SHORT");
}

TEST_F(CompressTest, RefusesAModelThatIsQuantizedAlready) {
  ASSERT_OK(Run(Task(), folder_ / "staging"));
  const absl::Status status = Run(Task({{"source", {{"path", folder_ / "staging/pivot-0"}}}}), folder_ / "again");
  EXPECT_EQ(ReasonOf(status), "ALREADY_QUANTIZED");
}

TEST_F(CompressTest, NamesATensorThatIsNotFinite) {
  ASSERT_OK_AND_ASSIGN(std::string bytes, ReadSmallFile(model_ + "/model.safetensors", 1 << 28));
  bytes[bytes.size() - 1] = '\x7f';  // the last bf16 becomes a NaN
  bytes[bytes.size() - 2] = '\xff';
  folder_.Write("model/model.safetensors", bytes);
  const absl::Status status = Run(Task(), folder_ / "staging");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not finite")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("model."));
}

TEST_F(CompressTest, PassesOnARefusedPublication) {
  hooks_.publish = [](const StagedPivot&) { return absl::ResourceExhaustedError("no space is left"); };
  EXPECT_THAT(Run(Task(), folder_ / "staging"), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("no space")));
}

}  // namespace
}  // namespace pivot
