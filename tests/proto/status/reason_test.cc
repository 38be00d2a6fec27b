// SPDX-License-Identifier: Apache-2.0
#include "proto/status/reason.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/status/status_macros.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::Eq;

TEST(ReasonTest, IsKeptBesideCodeAndMessage) {
  const absl::Status status =
      WithReason(absl::InvalidArgumentError("too wide"), "INVALID_SPEC", "job.spec.compress.group_size");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, Eq("too wide")));
  EXPECT_EQ(ReasonOf(status), "INVALID_SPEC");
  EXPECT_EQ(FieldOf(status), "job.spec.compress.group_size");
}

TEST(ReasonTest, FollowsFromTheCodeWhenNoneWasGiven) {
  EXPECT_EQ(ReasonOf(absl::NotFoundError("")), "NOT_FOUND");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "OK");
  EXPECT_EQ(FieldOf(absl::NotFoundError("")), "");
}

TEST(ReasonTest, LastOneGivenHolds) {
  const absl::Status first = WithReason(absl::InvalidArgumentError("m"), "FIRST", "a");
  EXPECT_EQ(ReasonOf(WithReason(first, "SECOND")), "SECOND");
  EXPECT_EQ(FieldOf(WithReason(first, "SECOND")), "a");
}

TEST(ReasonTest, LeavesOkAsItIs) { EXPECT_EQ(WithReason(absl::OkStatus(), "REASON", "field"), absl::OkStatus()); }

TEST(ReasonTest, BecomesJson) {
  EXPECT_EQ(StatusToJson(WithReason(absl::DataLossError("bad"), "DAMAGED", "f")),
            json::parse(R"({"code": "DATA_LOSS", "reason": "DAMAGED", "message": "bad", "field": "f"})"));
  EXPECT_EQ(StatusToJson(absl::DataLossError("bad")),
            json::parse(R"({"code": "DATA_LOSS", "reason": "DATA_LOSS", "message": "bad"})"));
}

TEST(ReasonTest, CutsLongMessages) {
  EXPECT_EQ(StatusToJson(absl::InternalError(std::string(5000, 'm')))["message"], std::string(4096, 'm'));
  EXPECT_EQ(StatusToJson(absl::InternalError(std::string(4096, 'm')))["message"], std::string(4096, 'm'));
}

TEST(ReasonTest, SurvivesTheWayThroughJsonForEveryCode) {
  for (int i = 1; i <= 16; ++i) {
    const auto code = static_cast<absl::StatusCode>(i);
    const absl::Status status = WithReason(absl::Status(code, "what happened"), "SOME_REASON", "a.b");
    const absl::Status back = StatusFromJson(StatusToJson(status));
    EXPECT_THAT(back, StatusIs(code, Eq("what happened")));
    EXPECT_EQ(ReasonOf(back), "SOME_REASON");
    EXPECT_EQ(FieldOf(back), "a.b");
  }
}

TEST(ReasonTest, UnknownCodesBecomeInternalAndKeepTheRest) {
  const absl::Status status = StatusFromJson({{"code", "TEAPOT"}, {"reason", "SHORT_AND_STOUT"}, {"message", "m"}});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, Eq("m")));
  EXPECT_EQ(ReasonOf(status), "SHORT_AND_STOUT");
}

TEST(ReasonTest, NeverReadsOk) {
  EXPECT_EQ(StatusFromJson({{"code", "OK"}, {"message", "fine"}}).code(), absl::StatusCode::kInternal);
  for (const char* text :
       {"null", "5", "[]", "\"OK\"", "{}", R"({"code": 5, "reason": [], "message": {}, "field": 1})"}) {
    EXPECT_EQ(StatusFromJson(json::parse(text)).code(), absl::StatusCode::kInternal) << text;
  }
}

TEST(ReasonTest, SaysSoWhenTheMessageIsMissing) {
  EXPECT_THAT(StatusFromJson({{"code", "ABORTED"}}), StatusIs(absl::StatusCode::kAborted, Eq("no message")));
  EXPECT_EQ(ReasonOf(StatusFromJson({{"code", "ABORTED"}})), "ABORTED");
}

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  PIVOT_ASSIGN_OR_RETURN(const int half, Half(number));
  PIVOT_RETURN_IF_ERROR(Half(half).status());
  return half / 2;
}

TEST(StatusMacrosTest, ReturnTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_THAT(Quarter(7), StatusIs(absl::StatusCode::kInvalidArgument, Eq("odd")));
  EXPECT_THAT(Quarter(6), StatusIs(absl::StatusCode::kInvalidArgument, Eq("odd")));
}

}  // namespace
}  // namespace pivot
