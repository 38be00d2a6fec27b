// SPDX-License-Identifier: Apache-2.0
#include "client/exit_code.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/backoff.h"
#include "client/connection.h"
#include "client/request_id.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {
namespace {

using ::testing::MatchesRegex;

TEST(ExitCodeTest, FollowsTheContract) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kDone);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("by somebody")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(UsageError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), ExitCode::kNotAllowed);
  EXPECT_EQ(ExitCodeOf(absl::UnauthenticatedError("")), ExitCode::kNotAllowed);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("")), ExitCode::kDamaged);
  EXPECT_EQ(ExitCodeOf(Interrupted()), ExitCode::kInterrupted);
  EXPECT_EQ(static_cast<int>(ExitCode::kInterrupted), 130);
}

TEST(ExitCodeTest, TellsAServerThatIsAwayFromADiskThatFails) {
  EXPECT_EQ(ExitCodeOf(FromGrpcStatus({grpc::StatusCode::UNAVAILABLE, ""}, "a:1")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(FromGrpcStatus({grpc::StatusCode::DEADLINE_EXCEEDED, ""}, "a:1")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(StatusFromErrno(EIO, "cannot read", "x")), ExitCode::kFailed);
}

v1::Job Ended(v1::State state, absl::StatusCode code = absl::StatusCode::kOk) {
  v1::Job job;
  job.set_name("projects/default/jobs/j");
  job.set_state(state);
  if (code != absl::StatusCode::kOk) {
    job.mutable_error()->set_code(static_cast<int>(code));
    job.mutable_error()->set_message("why");
  }
  return job;
}

TEST(JobOutcomeTest, CountsEveryFailureOfTheJobAsFailedWork) {
  EXPECT_OK(JobOutcome(Ended(v1::STATE_SUCCEEDED)));
  for (const auto code :
       {absl::StatusCode::kDataLoss, absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnavailable,
        absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kInternal}) {
    const absl::Status outcome = JobOutcome(Ended(v1::STATE_FAILED, code));
    EXPECT_THAT(outcome, StatusIs(code, "why"));
    EXPECT_EQ(ExitCodeOf(outcome), ExitCode::kFailed);
  }
  EXPECT_EQ(ExitCodeOf(JobOutcome(Ended(v1::STATE_CANCELLED))), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(JobOutcome(Ended(v1::STATE_RUNNING))), ExitCode::kFailed);
}

class RequestIdTest : public ::testing::Test {
 protected:
  RequestIdTest() {
    folder_.Write("config.json", "{}");
    spec_.mutable_compress()->mutable_source()->set_path(folder_.path());
    spec_.mutable_compress()->set_bits(4);
  }
  TemporaryFolder folder_;
  v1::JobSpec spec_;
};

TEST_F(RequestIdTest, IsAUuidAndTheSameForTheSameWork) {
  const std::string id = RequestIdOf(spec_, "");
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(RequestIdOf(spec_, ""), id);
}

TEST_F(RequestIdTest, ChangesWithSpecChainAndSource) {
  const std::string id = RequestIdOf(spec_, "");
  EXPECT_NE(RequestIdOf(spec_, "uid"), id);
  v1::JobSpec other = spec_;
  other.mutable_compress()->set_bits(3);
  EXPECT_NE(RequestIdOf(other, ""), id);
  folder_.Write("config.json", "{ }");
  EXPECT_NE(RequestIdOf(spec_, ""), id);
}

TEST_F(RequestIdTest, WorksForASourceThatCannotBeSeenFromHere) {
  spec_.mutable_compress()->mutable_source()->set_path("/on/another/machine");
  EXPECT_EQ(RequestIdOf(spec_, ""), RequestIdOf(spec_, ""));
}

TEST(RandomRequestIdTest, IsANewUuidEveryTime) {
  EXPECT_THAT(RandomRequestId(), MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(RandomRequestId(), RandomRequestId());
}

}  // namespace
}  // namespace pivot::client
