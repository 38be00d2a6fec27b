// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/format/checkpoint_folder.h"
#include "proto/status/reason.h"
#include "tests/engine/pipeline/compress_fixture.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CompressExpertsTest : public CompressFixture {};

TEST_F(CompressExpertsTest, ReportsWhatEveryExpertWasQuantizedWith) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral"}));
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task(), staging));
  const json report = Report(staging);
  EXPECT_LT(report["quality"]["pivots"][0]["kl_mean"], 0.1);
  for (const json& block : report["blocks"]) {
    ASSERT_EQ(block["linears"].size(), 4U + 4 * 3);
    std::map<std::string, int64_t> tokens;  // of each role's experts
    for (const json& linear : block["linears"]) {
      const std::string name = linear["name"];
      if (name.find("experts") == std::string::npos) {
        EXPECT_FALSE(linear.contains("tokens")) << name;
        continue;
      }
      const bool is_down = absl::EndsWith(name, ".w2");
      const int64_t count = linear["tokens"];
      const char* starved = is_down ? "all_experts" : "shared";
      EXPECT_EQ(linear["fallback"], count >= (is_down ? 128 : 64) / 8 ? "none" : starved) << name << " " << count;
      tokens[name.substr(name.rfind('.'))] += count;
    }
    for (const auto& [role, count] : tokens) EXPECT_EQ(count, 2 * 6 * 64) << "each token is sent to two experts";
    EXPECT_EQ(tokens.size(), 3U);
  }
}

TEST_F(CompressExpertsTest, NamesWhatStarvedExpertsFellBackTo) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral", .num_experts = 16}));
  const std::string staging = folder_ / "staging";
  // Twenty tokens for 16 experts; gate and up need 8 each, down 16.
  ASSERT_OK(Run(Task({{"calibration", {{"num_samples", 1}, {"sequence_length", 20}}}}), staging));
  std::map<std::string, int> fallbacks;
  const json report = Report(staging);
  for (const json& linear : report["blocks"][0]["linears"]) {
    if (linear.contains("fallback")) ++fallbacks[linear["fallback"]];
  }
  EXPECT_GT(fallbacks["shared"], 0);
  EXPECT_GT(fallbacks["all_experts"], 0);
  EXPECT_THAT(warnings_, ::testing::Contains("EXPERTS_STARVED"));
  warnings_.clear();
  ASSERT_OK(Run(Task({{"calibration", {{"num_samples", 1}, {"sequence_length", 4}}}}), folder_ / "fewer"));
  const json fewer = Report(folder_ / "fewer");
  int rounded = 0;
  for (const json& linear : fewer["blocks"][0]["linears"]) rounded += linear.value("fallback", "") == "rtn" ? 1 : 0;
  EXPECT_EQ(rounded, 16 * 3);
}

TEST_F(CompressExpertsTest, ResumesExpertsWithTheSameBytes) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral", .num_blocks = 3}));
  for (const char* dtype : {"float32", "bfloat16"}) {
    const std::string whole = folder_ / (std::string("whole-") + dtype);
    const std::string staging = folder_ / (std::string("resumed-") + dtype);
    ASSERT_OK(Run(Task({{"compute_dtype", dtype}}), whole));
    blocks_.clear();
    hooks_.is_cancelled = [&] { return !blocks_.empty(); };
    EXPECT_THAT(Run(Task({{"compute_dtype", dtype}}), staging), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
    hooks_.is_cancelled = nullptr;
    ASSERT_OK(Run(Task({{"compute_dtype", dtype}}), staging));
    EXPECT_EQ(ContentOf(staging + "/pivot-0"), ContentOf(whole + "/pivot-0")) << dtype;
  }
}

TEST_F(CompressExpertsTest, RoundsExpertsToNearestWithoutCalibration) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral"}));
  const std::string staging = folder_ / "staging";
  ASSERT_OK(Run(Task({{"quantize", {{"method", "rtn"}}}}), staging));
  EXPECT_EQ(Report(staging)["blocks"][0]["linears"].size(), 4U + 4 * 3);
  EXPECT_FALSE(Report(staging)["blocks"][0]["linears"].back().contains("fallback"));
}

TEST_F(CompressExpertsTest, GoIntoGptqFilesToo) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral"}));
  ASSERT_OK(Run(Task({{"format", "both"}}), folder_ / "staging"));
  for (const char* format : {"compressed-tensors", "gptq"}) {
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder pivot, OpenCheckpoint(folder_ / "staging/pivot-0/" + format));
    const std::string expert = "model.layers.1.block_sparse_moe.experts.3.w2";
    EXPECT_TRUE(pivot.StorageOf(expert, {64, 128}).has_value());
    EXPECT_FALSE(pivot.StorageOf("model.layers.1.block_sparse_moe.gate", {4, 64}).has_value());
    EXPECT_NE(pivot.model.Find("model.layers.1.block_sparse_moe.gate.weight"), nullptr) << "routers are kept";
  }
}

TEST_F(CompressExpertsTest, AreRefusedInGguf) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral"}));
  const absl::Status status = Run(Task({{"format", "gguf"}}), folder_ / "staging");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("GGUF files of mixtral")));
  EXPECT_EQ(ReasonOf(status), "FORMAT_CANNOT_EXPRESS");
}

TEST_F(CompressExpertsTest, AreRefusedWithZeroPoints) {
  ASSERT_OK(WriteTinyModel(model_, {.model_type = "mixtral"}));
  const absl::Status status = Run(Task({{"asymmetric", true}}), folder_ / "staging");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("asymmetric does not go with experts")));
  EXPECT_EQ(ReasonOf(status), "INVALID_SPEC");
}

}  // namespace
}  // namespace pivot
