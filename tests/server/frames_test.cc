// SPDX-License-Identifier: Apache-2.0
#include "server/worker/frames.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

Frame Make(FrameType type, const std::string& payload) { return {.type = type, .seq = 1, .payload = payload}; }

TEST(FramesTest, TurnsFramesIntoEvents) {
  ASSERT_OK_AND_ASSIGN(const auto event,
                       ReadEvent(Make(FrameType::kBlockDone,
                                      R"({"stage": "layerwise", "block": 3, "total": 30, "relative_error": 0.25})")));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->block_done().block(), 3);
  EXPECT_EQ(event->block_done().relative_error(), 0.25);
  EXPECT_TRUE(ReadEvent(Make(FrameType::kWarning, R"({"reason": "X", "message": "y"})")).value()->has_warning());
  EXPECT_TRUE(ReadEvent(Make(FrameType::kQualityMeasured, R"({"subject": "original", "quality": {"perplexity": 9}})"))
                  .value()
                  ->has_quality_measured());
}

TEST(FramesTest, LeavesUnknownTypesAndKeysAlone) {
  EXPECT_FALSE(ReadEvent(Make(static_cast<FrameType>(250), "{}")).value().has_value());
  EXPECT_OK(ReadEvent(Make(FrameType::kStageStarted, R"({"stage": "x", "colour": "blue"})")));
}

TEST(FramesTest, RefusesValuesOfTheWrongType) {
  EXPECT_THAT(ReadEvent(Make(FrameType::kBlockDone, R"({"block": "three"})")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("frame of type 104")));
  EXPECT_FALSE(ReadHeartbeat(Make(FrameType::kHeartbeat, "{}")).ok());
  EXPECT_FALSE(ReadProgress(Make(FrameType::kProgress, R"({"done": 1.5})")).ok());
  EXPECT_FALSE(ReadDone(Make(FrameType::kDone, R"({"result": []})")).ok());
}

TEST(FramesTest, ReadsAStagedPivot) {
  ASSERT_OK_AND_ASSIGN(
      const StagedPivot pivot,
      ReadPivotStaged(
          Make(FrameType::kPivotStaged,
               R"({"number": 0, "directory": "pivot-0", "bits_per_weight": 4.2, "quality": {"perplexity": 8},
                                                "seconds": 3, "source": {"name": "n", "digest": "d"}})")));
  EXPECT_EQ(pivot.directory, "pivot-0");
  EXPECT_EQ(pivot.quality->perplexity(), 8);
  EXPECT_EQ(pivot.source_digest, "d");
}

TEST(FramesTest, RefusesAStagedPivotElsewhere) {
  for (const char* directory : {"", "..", ".", "/etc", "a/b", "../x", "a\\\\b"}) {
    const std::string payload = std::string(R"({"number": 0, "directory": ")") + directory + "\"}";
    EXPECT_FALSE(ReadPivotStaged(Make(FrameType::kPivotStaged, payload)).ok()) << directory;
  }
  EXPECT_FALSE(ReadPivotStaged(Make(FrameType::kPivotStaged, R"({"number": -1, "directory": "pivot-0"})")).ok());
}

TEST(FramesTest, ReadsAnError) {
  ASSERT_OK_AND_ASSIGN(
      const WorkerError error,
      ReadError(
          Make(FrameType::kError, R"({"code": "RESOURCE_EXHAUSTED", "reason": "GPU_OUT_OF_MEMORY", "message": "m"})")));
  EXPECT_TRUE(absl::IsResourceExhausted(error.status));
  EXPECT_EQ(ReasonOf(error.status), "GPU_OUT_OF_MEMORY");
  EXPECT_FALSE(error.retryable);
}

TEST(FramesTest, TellsTheWorkerItsOwnViewOfTheDevice) {
  JobRecord record;
  record.job.set_name("projects/p/jobs/j");
  record.job.mutable_spec()->set_device("cuda:3");
  record.job.mutable_spec()->mutable_compress()->set_bits(4);
  const nlohmann::json start = StartPayload(record, {.attempt = 2, .on_gpu = true, .resume = true});
  EXPECT_EQ(start["spec"]["device"], "cuda:0");
  EXPECT_EQ(start["spec"]["compress"]["bits"], 4);
  EXPECT_EQ(start["attempt"], 2);
  EXPECT_EQ(start["resume"], true);
  EXPECT_FALSE(start.contains("gpu_memory_bytes"));
  EXPECT_EQ(StartPayload(record, {.on_gpu = true, .gpu_budget_bytes = 7})["gpu_memory_bytes"], 7);
  EXPECT_EQ(StartPayload(record, {.attempt = 1})["spec"]["device"], "cpu");
  record.job.mutable_spec()->mutable_run_timeout()->set_seconds(5);
  record.job.mutable_spec()->mutable_queue_timeout()->set_seconds(5);
  record.job.mutable_spec()->mutable_ttl()->set_seconds(5);
  EXPECT_EQ(StartPayload(record, {.attempt = 2, .on_gpu = true, .resume = true}), start) << "the server's business";
}

}  // namespace
}  // namespace pivot
