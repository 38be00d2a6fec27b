// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"
#include "pivot/v1/jobs.pb.h"

#include "proto/json.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
T Read(const char* text) {
  T message;
  EXPECT_OK(FromJson(json::parse(text), &message)) << text;
  return message;
}

template <typename T>
absl::Status StatusOfReading(const char* text) {
  T message;
  return FromJson(json::parse(text), &message);
}

TEST(FromJsonTest, ReadsAWholeSpec) {
  const auto spec = Read<v1::JobSpec>(R"({
    "compress": {"source": {"path": "/models/tiny"}, "bits": 3, "group_size": 64,
                 "quantize": {"method": "rtn", "percdamp": 0.05, "qep_alpha": 0, "clip_search": "none", "act_order": "none"},
                 "calibration": {"text_path": "/t", "num_samples": 8, "sequence_length": 32, "seed": -1},
                 "evaluation": {"skip": true}, "compute_dtype": "float32"},
    "device": "cuda:1", "priority": 70})");
  EXPECT_EQ(spec.compress().source().path(), "/models/tiny");
  EXPECT_EQ(spec.compress().bits(), 3);
  EXPECT_EQ(spec.compress().quantize().method(), v1::METHOD_RTN);
  EXPECT_TRUE(spec.compress().quantize().has_qep_alpha());
  EXPECT_EQ(spec.compress().quantize().clip_search(), v1::CLIP_SEARCH_NONE);
  EXPECT_EQ(spec.compress().calibration().seed(), -1);
  EXPECT_TRUE(spec.compress().evaluation().skip());
  EXPECT_EQ(spec.compress().compute_dtype(), v1::COMPUTE_DTYPE_FLOAT32);
  EXPECT_EQ(spec.priority(), 70);
  v1::JobSpec back;
  ASSERT_OK(FromJson(ToJson(spec), &back));
  EXPECT_TRUE(MessageDifferencer::Equals(spec, back));
}

TEST(FromJsonTest, IgnoresNamesOfLaterWriters) {
  EXPECT_EQ(Read<v1::Source>(R"({"path": "/m", "revision": {"deep": [1]}})").path(), "/m");
}

TEST(FromJsonTest, TakesNullForAbsent) {
  const auto options = Read<v1::QuantizeOptions>(R"({"percdamp": null, "method": null})");
  EXPECT_FALSE(options.has_percdamp());
  EXPECT_FALSE(Read<v1::CompressTask>(R"({"source": null})").has_source());
}

TEST(FromJsonTest, MergesIntoWhatIsThere) {
  v1::Calibration calibration;
  calibration.set_num_samples(5);
  ASSERT_OK(FromJson({{"seed", 3}}, &calibration));
  EXPECT_EQ(calibration.num_samples(), 5);
  EXPECT_EQ(calibration.seed(), 3);
}

TEST(FromJsonTest, ReadsTheWholeRangeOfIntegers) {
  EXPECT_EQ(Read<v1::JobEvent>(R"({"seq": 18446744073709551615})").seq(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Read<v1::Calibration>(R"({"seed": -9223372036854775808})").seed(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Read<v1::Calibration>(R"({"seed": 9223372036854775807})").seed(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Read<v1::JobSpec>(R"({"priority": -2147483648})").priority(), std::numeric_limits<int32_t>::min());
  EXPECT_THAT(Read<v1::Generation>(R"({"token_ids": [2147483647, 0]})").token_ids(), ElementsAre(2147483647, 0));
}

TEST(FromJsonTest, ReadsTimesOfEveryZone) {
  const auto job =
      Read<v1::Job>(R"({"create_time": "2026-01-31T12:00:00.25Z", "start_time": "2026-01-31T14:00:00+02:00",
                                     "end_time": "1969-12-31T23:59:59.5Z"})");
  EXPECT_EQ(job.create_time().seconds(), 1769860800);
  EXPECT_EQ(job.create_time().nanos(), 250'000'000);
  EXPECT_EQ(job.start_time().seconds(), 1769860800);
  EXPECT_EQ(job.end_time().seconds(), -1);
  EXPECT_EQ(job.end_time().nanos(), 500'000'000);
}

TEST(FromJsonTest, ReadsDurationsToTheNanosecond) {
  for (const auto& [text, seconds, nanos] : {std::tuple{"2", 2, 0},
                                             {"2.3", 2, 300'000'000},
                                             {"0.1", 0, 100'000'000},
                                             {"-1.5", -1, -500'000'000},
                                             {"1e-9", 0, 1},
                                             {"0.999999999999", 1, 0}}) {
    const auto request = Read<v1::WatchJobRequest>((std::string(R"({"progress_interval": )") + text + "}").c_str());
    EXPECT_EQ(request.progress_interval().seconds(), seconds) << text;
    EXPECT_EQ(request.progress_interval().nanos(), nanos) << text;
  }
}

/// A value that a field cannot take. `Message` is what is read.
struct Refusal {
  const char* name;
  absl::Status (*read)(const char* text);
  const char* text;
  const char* field;
  const char* expected;
};

class FromJsonRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(FromJsonRefusalTest, NamesTheField) {
  EXPECT_THAT(
      GetParam().read(GetParam().text),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(GetParam().field), HasSubstr(GetParam().expected))));
}

constexpr auto kSpec = StatusOfReading<v1::JobSpec>;
constexpr auto kJob = StatusOfReading<v1::Job>;
constexpr auto kEvent = StatusOfReading<v1::JobEvent>;
constexpr auto kWatch = StatusOfReading<v1::WatchJobRequest>;
constexpr auto kResult = StatusOfReading<v1::Result>;

INSTANTIATE_TEST_SUITE_P(
    Values, FromJsonRefusalTest,
    ::testing::Values(
        Refusal{"message_is_list", kSpec, "[]", "pivot.v1.JobSpec", "an object"},
        Refusal{"message_is_null", kSpec, "null", "pivot.v1.JobSpec", "an object"},
        Refusal{"inner_message_is_text", kSpec, R"({"compress": "all"})", "pivot.v1.JobSpec.compress", "an object"},
        Refusal{"text_is_number", kSpec, R"({"device": 5})", "pivot.v1.JobSpec.device", "a string"},
        Refusal{"int32_is_text", kSpec, R"({"priority": "5"})", "pivot.v1.JobSpec.priority", "a whole number"},
        Refusal{"int32_is_fraction", kSpec, R"({"priority": 5.0})", "pivot.v1.JobSpec.priority", "a whole number"},
        Refusal{"int32_above", kSpec, R"({"priority": 2147483648})", "pivot.v1.JobSpec.priority", "2147483647"},
        Refusal{"int32_below", kSpec, R"({"priority": -2147483649})", "pivot.v1.JobSpec.priority", "-2147483648"},
        Refusal{"int32_wraps", kSpec, R"({"priority": 18446744073709551615})", "pivot.v1.JobSpec.priority",
                "2147483647"},
        Refusal{"int64_wraps", kSpec, R"({"compress": {"calibration": {"seed": 9223372036854775808}}})",
                "pivot.v1.Calibration.seed", "9223372036854775807"},
        Refusal{"uint64_negative", kEvent, R"({"seq": -1})", "pivot.v1.JobEvent.seq", "from 0"},
        Refusal{"double_is_text", kSpec, R"({"compress": {"bits": "4"}})", "pivot.v1.CompressTask.bits", "a number"},
        Refusal{"bool_is_number", kSpec, R"({"compress": {"evaluation": {"skip": 1}}})", "pivot.v1.Evaluation.skip",
                "true or false"},
        Refusal{"enum_is_number", kJob, R"({"state": 2})", "pivot.v1.Job.state", "a name"},
        Refusal{"enum_unknown", kJob, R"({"state": "asleep"})", "pivot.v1.Job.state", "not \"asleep\""},
        Refusal{"enum_in_capitals", kJob, R"({"state": "RUNNING"})", "pivot.v1.Job.state", "a known name"},
        Refusal{"enum_with_prefix", kJob, R"({"state": "state_running"})", "pivot.v1.Job.state", "a known name"},
        Refusal{"list_is_object", kJob, R"({"attempts": {}})", "pivot.v1.Job.attempts", "a list"},
        Refusal{"list_of_text", kJob, R"({"attempts": ["x"]})", "pivot.v1.Job.attempts", "an object"},
        Refusal{"list_element", kJob, R"({"attempts": [{}, {"number": true}]})", "pivot.v1.Attempt.number",
                "a whole number"},
        Refusal{"strings_of_numbers", kJob, R"({"plan": {"warnings": [1]}})", "pivot.v1.Plan.warnings", "a string"},
        Refusal{"integers_of_text", kResult, R"({"generation": {"token_ids": ["1"]}})", "pivot.v1.Generation.token_ids",
                "a whole number"},
        Refusal{"integers_wrap", kResult, R"({"generation": {"token_ids": [1, 4294967297]}})",
                "pivot.v1.Generation.token_ids", "2147483647"},
        Refusal{"time_is_number", kJob, R"({"create_time": 5})", "pivot.v1.Job.create_time", "a time like"},
        Refusal{"time_without_zone", kJob, R"({"create_time": "2026-01-31T12:00:00"})", "pivot.v1.Job.create_time",
                "a time like"},
        Refusal{"time_without_end", kJob, R"({"create_time": "infinite-future"})", "pivot.v1.Job.create_time",
                "a time like"},
        Refusal{"time_year_10000", kJob, R"({"create_time": "10000-01-01T00:00:00Z"})", "pivot.v1.Job.create_time",
                "a time like"},
        Refusal{"duration_is_text", kWatch, R"({"progress_interval": "1s"})",
                "pivot.v1.WatchJobRequest.progress_interval", "a number of seconds"},
        Refusal{"duration_huge", kWatch, R"({"progress_interval": 1e300})",
                "pivot.v1.WatchJobRequest.progress_interval", "a number of seconds"},
        Refusal{"bytes_no_base64", kJob, R"({"error": {"details": [{"value": "***"}]}})", "google.protobuf.Any.value",
                "base64"}),
    [](const auto& fault) { return std::string(fault.param.name); });

}  // namespace
}  // namespace pivot
