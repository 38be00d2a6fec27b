// SPDX-License-Identifier: Apache-2.0
// What every store must do when clients suspend, resume and retry.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/errors.h"
#include "server/store/store.h"
#include "tests/server/store_fixture.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SteerJobTest : public StoreTest {
 protected:
  v1::State Do(const std::string& uid, Steer steer) {
    const auto state = store_->SteerJob(uid, steer);
    EXPECT_OK(state);
    return state.value_or(v1::STATE_UNSPECIFIED);
  }

  /// A job whose first attempt failed.
  std::string FailedJob() {
    const std::string uid = Create(SomeJob());
    StateChange failed{.to = v1::STATE_FAILED, .reason = "NUMERICAL_FAILURE"};
    failed.error.emplace().set_message("no");
    EXPECT_OK(store_->EndAttempt(Claim(uid), v1::STATE_RUNNING, EndedWith("NUMERICAL_FAILURE"), failed));
    return uid;
  }
};

TEST_F(SteerJobTest, TakesASuspendedJobOutOfTheQueue) {
  const std::string uid = Create(SomeJob());
  const QueuedJob queued = Queued(uid);
  EXPECT_EQ(Do(uid, Steer::kSuspend), v1::STATE_SUSPENDED);
  EXPECT_THAT(store_->ReadQueue().value(), IsEmpty());
  EXPECT_TRUE(IsStateMovedOn(store_->Claim(queued, "cpu", "cpu").status())) << "nor can it be claimed any more";
  EXPECT_EQ(Do(uid, Steer::kSuspend), v1::STATE_SUSPENDED);
  EXPECT_THAT(Events(uid), SizeIs(2)) << "the second suspend left no trace";
  EXPECT_EQ(store_->ReadJob(uid)->job.state_reason(), "SUSPEND_REQUESTED");
  EXPECT_FALSE(store_->ReadJob(uid)->job.has_end_time());
}

TEST_F(SteerJobTest, GivesAResumedJobItsOldPlace) {
  const std::string first = Create(SomeJob());
  const std::string second = Create(SomeJob());
  Do(first, Steer::kSuspend);
  EXPECT_EQ(Do(first, Steer::kResume), v1::STATE_QUEUED);
  EXPECT_EQ(store_->ReadQueue().value().at(0).uid, first);
  EXPECT_EQ(store_->ReadJob(first)->job.state_reason(), "RESUME_REQUESTED");
}

TEST_F(SteerJobTest, FreesTheDeviceWhenTheWorkerHasEnded) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  EXPECT_EQ(Do(uid, Steer::kSuspend), v1::STATE_SUSPENDING);
  EXPECT_THAT(store_->ReadLeases().value(), SizeIs(1));
  EXPECT_OK(store_->AppendEvent(key, SomeEvent())) << "it is still this attempt's";
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_SUSPENDING, EndedWith("SUSPENDED"), {.to = v1::STATE_SUSPENDED}));
  EXPECT_THAT(store_->ReadLeases().value(), IsEmpty());
  Do(uid, Steer::kResume);
  EXPECT_EQ(Claim(uid).number, 2);
}

TEST_F(SteerJobTest, MakesASuspendACancel) {
  const std::string suspending = Create(SomeJob());
  const AttemptKey key = Claim(suspending);
  Do(suspending, Steer::kSuspend);
  EXPECT_EQ(Do(suspending, Steer::kCancel), v1::STATE_CANCELLING);
  EXPECT_TRUE(IsStateMovedOn(
      store_->EndAttempt(key, v1::STATE_SUSPENDING, EndedWith("SUSPENDED"), {.to = v1::STATE_SUSPENDED})));
  const std::string suspended = Create(SomeJob());
  Do(suspended, Steer::kSuspend);
  EXPECT_EQ(Do(suspended, Steer::kCancel), v1::STATE_CANCELLED);
}

TEST_F(SteerJobTest, EndsTheSuspendOfADeadServer) {
  const std::string uid = Create(SomeJob());
  Claim(uid);
  Do(uid, Steer::kSuspend);
  Reopen();
  EXPECT_EQ(store_->EndLostAttempts().value(), 1);
  EXPECT_EQ(StateOf(uid), v1::STATE_SUSPENDED);
  EXPECT_EQ(store_->ReadJob(uid)->job.attempts(0).cause(), "SERVER_DIED");
  EXPECT_THAT(store_->ReadLeases().value(), IsEmpty());
  EXPECT_EQ(store_->EndLostAttempts().value(), 0);
}

TEST_F(SteerJobTest, RetriesTheSameJobAndKeepsWhatWas) {
  const std::string uid = FailedJob();
  const uint64_t events = Events(uid).size();
  EXPECT_EQ(Do(uid, Steer::kRetry), v1::STATE_QUEUED);
  ASSERT_OK_AND_ASSIGN(const JobRecord queued, store_->ReadJob(uid));
  EXPECT_FALSE(queued.job.has_error());
  EXPECT_FALSE(queued.job.has_end_time());
  EXPECT_EQ(queued.job.state_reason(), "RETRY_REQUESTED");
  EXPECT_EQ(queued.retried_after, 1);
  EXPECT_THAT(queued.job.attempts(), SizeIs(1));
  EXPECT_THAT(Events(uid), SizeIs(events + 1));
  EXPECT_EQ(Claim(uid).number, 2);
  EXPECT_THAT(store_->ReadJob(uid)->job.attempts(), SizeIs(2));
}

TEST_F(SteerJobTest, RetriesNothingThatGoesOn) {
  const std::string uid = Create(SomeJob());
  const auto refused = store_->SteerJob(uid, Steer::kRetry);
  EXPECT_EQ(ReasonOf(refused.status()), "ILLEGAL_STATE");
  EXPECT_EQ(store_->ReadJob(uid)->retried_after, 0);
  EXPECT_THAT(Events(uid), SizeIs(1));
}

TEST_F(SteerJobTest, DoesNotRetryWhileAnotherJobHasItsBlocks) {
  const std::string uid = FailedJob();
  NewJob taken = SomeJob("taken");
  taken.staging_uid = uid;
  const std::string other = Create(taken);
  const auto refused = store_->SteerJob(uid, Steer::kRetry);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("projects/p/jobs/taken goes on")));
  EXPECT_EQ(ReasonOf(refused.status()), "ILLEGAL_STATE");
  Do(other, Steer::kSuspend);
  EXPECT_FALSE(store_->SteerJob(uid, Steer::kRetry).ok()) << "a suspended one will go on";
  Do(other, Steer::kCancel);
  EXPECT_EQ(Do(uid, Steer::kRetry), v1::STATE_QUEUED);
  EXPECT_FALSE(store_->SteerJob(other, Steer::kRetry).ok()) << "now they are the first one's";
}

TEST_F(SteerJobTest, LetsNobodyIntoAFullQueue) {
  const std::string suspended = Create(SomeJob());
  const std::string failed = FailedJob();
  Do(suspended, Steer::kSuspend);
  Create(SomeJob());
  EXPECT_EQ(ReasonOf(store_->SteerJob(suspended, Steer::kResume, {.total = 1}).status()), "QUEUE_FULL");
  EXPECT_EQ(ReasonOf(store_->SteerJob(failed, Steer::kRetry, {.total = 1}).status()), "QUEUE_FULL");
  EXPECT_EQ(StateOf(suspended), v1::STATE_SUSPENDED);
  EXPECT_OK(store_->SteerJob(suspended, Steer::kResume, {.total = 2}));
}

TEST_F(SteerJobTest, KnowsNothingOfAJobThatIsNotThere) {
  EXPECT_EQ(store_->SteerJob("nobody", Steer::kSuspend).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace pivot
