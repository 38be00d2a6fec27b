// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/model/found_model.h"
#include "proto/status/reason.h"
#include "tests/engine/pipeline/compress_fixture.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

/// A tiny llama under a name that no table has.
class CompressUnknownTest : public CompressFixture {
 protected:
  CompressUnknownTest() {
    Rename(model_, "transmogrifier");
    EXPECT_OK(WriteTinyModel(known_, {.num_blocks = 3}));
  }

  static void Rename(const std::string& model, const char* model_type) {
    json config = json::parse(*ReadSmallFile(model + "/config.json", 1 << 20));
    config["model_type"] = model_type;
    EXPECT_OK(WriteFileDurably(model + "/config.json", config.dump()));
  }

  /// Rounding, with no evaluation text.
  json Rounded(const std::string& model, const json& changes = json::object()) const {
    json task{{"source", {{"path", model}}}, {"group_size", 32}, {"quantize", {{"method", "rtn"}}}};
    task.merge_patch(changes);
    return task;
  }

  std::string known_ = folder_ / "known";
};

TEST_F(CompressUnknownTest, WritesTheShardsOfTheFamilyThatItReallyIs) {
  for (const char* format : {"compressed_tensors", "gptq", "fp8"}) {
    json task = Rounded(model_, {{"format", format}});
    json known_task = Rounded(known_, {{"format", format}, {"evaluation", {{"skip", true}}}});
    if (std::string(format) == "fp8") {
      task.erase("group_size");
      known_task.erase("group_size");
    }
    const std::string ours = folder_ / (std::string("ours-") + format);
    const std::string theirs = folder_ / (std::string("theirs-") + format);
    ASSERT_OK(Run(task, ours));
    ASSERT_OK(Run(known_task, theirs));
    auto found = ContentOf(ours + "/pivot-0");
    auto expected = ContentOf(theirs + "/pivot-0");
    for (const char* differs : {"config.json", "quantize_config.json", "pivot/plan.json"}) {
      found.erase(differs);
      expected.erase(differs);
    }
    EXPECT_EQ(found, expected) << format;
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder pivot, OpenCheckpoint(ours + "/pivot-0"));
    EXPECT_EQ(CountBits(pivot).quantized, CountBits(*OpenCheckpoint(theirs + "/pivot-0")).quantized);
  }
}

TEST_F(CompressUnknownTest, SaysThatNothingIsMeasured) {
  ASSERT_OK(Run(Rounded(model_), folder_ / "staging"));
  EXPECT_THAT(warnings_, Contains("NOT_EVALUATED"));
  const json report = Report(folder_ / "staging");
  EXPECT_FALSE(report["quality"].contains("original"));
  EXPECT_EQ(report["blocks"][0]["linears"].size(), 7U);
  ASSERT_TRUE(published_.has_value());
  EXPECT_TRUE(published_->quality.is_null());
}

TEST_F(CompressUnknownTest, NeedsNoTokenizer) {
  std::filesystem::remove(model_ + "/tokenizer.json");
  EXPECT_OK(Run(Rounded(model_), folder_ / "staging"));
}

TEST_F(CompressUnknownTest, IsRefusedWhereTheModelWouldHaveToRun) {
  const absl::Status gptq = Run(Task(), folder_ / "gptq");
  EXPECT_THAT(gptq, StatusIs(absl::StatusCode::kInvalidArgument,
                             AllOf(HasSubstr("\"transmogrifier\" is not supported; supported model types: llama"),
                                   HasSubstr("--method rtn"))));
  EXPECT_EQ(ReasonOf(gptq), "UNSUPPORTED_ARCHITECTURE");
  const absl::Status measured = Run(Task({{"quantize", {{"method", "rtn"}}}}), folder_ / "measured");
  EXPECT_EQ(ReasonOf(measured), "INVALID_SPEC");
  EXPECT_EQ(FieldOf(measured), "job.spec.compress.evaluation.text_path");
  const absl::Status gguf = Run(Rounded(model_, {{"format", "gguf"}}), folder_ / "gguf");
  EXPECT_EQ(ReasonOf(gguf), "FORMAT_CANNOT_EXPRESS");
  Rename(model_, "llama");
  json config = json::parse(*ReadSmallFile(model_ + "/config.json", 1 << 20));
  config["hidden_act"] = "xielu";
  ASSERT_OK(WriteFileDurably(model_ + "/config.json", config.dump()));
  const absl::Status part = Run(Rounded(model_, {{"format", "gguf"}}), folder_ / "part");
  EXPECT_EQ(ReasonOf(part), "FORMAT_CANNOT_EXPRESS") << "of a known family with a part that is not";
}

TEST_F(CompressUnknownTest, RefusesScalesThatFusedLayersWouldHaveToShare) {
  json task = Rounded(model_, {{"format", "nvfp4"}});
  task.erase("group_size");
  const absl::Status status = Run(task, folder_ / "staging");
  EXPECT_EQ(ReasonOf(status), "INVALID_SPEC");
  EXPECT_THAT(status.message(), HasSubstr("which layers are fused"));
}

TEST_F(CompressUnknownTest, ResumesWithTheSameBytes) {
  ASSERT_OK(Run(Rounded(model_), folder_ / "whole"));
  blocks_.clear();
  hooks_.is_cancelled = [&] { return !blocks_.empty(); };
  EXPECT_THAT(Run(Rounded(model_), folder_ / "resumed"), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
  hooks_.is_cancelled = nullptr;
  ASSERT_OK(Run(Rounded(model_), folder_ / "resumed"));
  EXPECT_EQ(ContentOf(folder_ / "resumed/pivot-0"), ContentOf(folder_ / "whole/pivot-0"));
}

}  // namespace
}  // namespace pivot
