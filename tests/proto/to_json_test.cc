// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "pivot/v1/checkpoints.pb.h"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"
#include "pivot/v1/jobs.pb.h"

#include "proto/json.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;

TEST(ToJsonTest, WritesScalarsWithoutPresenceAlways) {
  EXPECT_EQ(ToJson(v1::Generation()), json::parse(R"({"text": "", "token_ids": [], "finish_reason": ""})"));
  EXPECT_EQ(
      ToJson(v1::BlockDone()),
      json::parse(R"({"stage": "", "block": 0, "total": 0, "seconds": 0.0, "relative_error": 0.0, "resumed": false})"));
}

TEST(ToJsonTest, WritesOptionalFieldsOnlyWhenTheyAreSet) {
  v1::QuantizeOptions options;
  EXPECT_FALSE(ToJson(options).contains("percdamp"));
  options.set_percdamp(0);
  EXPECT_EQ(ToJson(options), json::parse(R"({"method": "unspecified", "percdamp": 0.0, "clip_search": "unspecified",
                                             "act_order": "unspecified", "scale_signs": "unspecified"})"));
}

TEST(ToJsonTest, WritesMessagesOnlyWhenTheyAreSet) {
  v1::CompressTask task;
  EXPECT_FALSE(ToJson(task).contains("source"));
  task.mutable_source();
  EXPECT_EQ(ToJson(task)["source"], json::object());
}

TEST(ToJsonTest, WritesTheMemberOfAOneofThatIsSet) {
  v1::JobSpec spec;
  spec.mutable_generate()->set_prompt("once");
  const json object = ToJson(spec);
  EXPECT_EQ(object["generate"]["prompt"], "once");
  EXPECT_FALSE(object.contains("compress"));
  EXPECT_FALSE(object.contains("task"));
  v1::Source source;
  source.set_path("");
  EXPECT_EQ(ToJson(source), json::parse(R"({"path": ""})"));
}

TEST(ToJsonTest, WritesIntegersOf64BitsAsNumbers) {
  v1::JobEvent event;
  event.set_seq(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(ToJson(event).dump(), R"({"attempt":0,"job":"","project_seq":0,"seq":18446744073709551615})");
  v1::Calibration calibration;
  calibration.set_seed(std::numeric_limits<int64_t>::min());
  EXPECT_EQ(ToJson(calibration)["seed"].dump(), "-9223372036854775808");
}

TEST(ToJsonTest, WritesEnumValuesWithoutTheirPrefix) {
  v1::Job job;
  job.set_state(v1::STATE_CANCELLING);
  EXPECT_EQ(ToJson(job)["state"], "cancelling");
  v1::CompressTask task;
  task.set_compute_dtype(v1::COMPUTE_DTYPE_BFLOAT16);
  task.mutable_quantize()->set_clip_search(v1::CLIP_SEARCH_CONDITIONAL);
  EXPECT_EQ(ToJson(task)["compute_dtype"], "bfloat16");
  EXPECT_EQ(ToJson(task)["quantize"]["clip_search"], "conditional");
}

TEST(ToJsonTest, WritesAnEnumValueThatItDoesNotKnowAsUnspecified) {
  v1::Job job;
  job.set_state(static_cast<v1::State>(99));
  EXPECT_EQ(ToJson(job)["state"], "unspecified");
}

TEST(ToJsonTest, WritesTimesAndDurations) {
  v1::Job job;
  job.mutable_create_time()->set_seconds(1769860800);
  EXPECT_EQ(ToJson(job)["create_time"], "2026-01-31T12:00:00+00:00");
  job.mutable_create_time()->set_nanos(5'000'000);
  EXPECT_EQ(ToJson(job)["create_time"], "2026-01-31T12:00:00.005+00:00");
  v1::WatchJobRequest request;
  request.mutable_progress_interval()->set_seconds(2);
  request.mutable_progress_interval()->set_nanos(300'000'000);
  EXPECT_EQ(ToJson(request)["progress_interval"].dump(), "2.3");
}

TEST(ToJsonTest, WritesListsInTheirOrder) {
  v1::Job job;
  job.add_attempts()->set_number(1);
  job.add_attempts()->set_number(2);
  job.mutable_plan()->add_warnings("one");
  job.mutable_plan()->add_warnings("two");
  job.mutable_result()->mutable_generation()->add_token_ids(-7);
  const json object = ToJson(job);
  EXPECT_EQ(object["attempts"][1]["number"], 2);
  EXPECT_EQ(object["plan"]["warnings"], json({"one", "two"}));
  EXPECT_EQ(object["result"]["generation"]["token_ids"], json::array({-7}));
}

TEST(ToJsonTest, WritesBytesThatAreNoTextInBase64) {
  v1::ReadFileResponse response;
  response.set_data(std::string("\xFF\x00\xFE", 3));
  EXPECT_EQ(ToJson(response)["data"], "/wD+");
  v1::Job job;
  job.mutable_error()->add_details()->set_value("\xFF");
  EXPECT_EQ(ToJson(job)["error"]["details"][0]["value"], "/w==");
  EXPECT_NO_THROW(ToJson(job).dump());
}

}  // namespace
}  // namespace pivot
