// SPDX-License-Identifier: Apache-2.0
// What every store must do: claims, attempts, transitions.
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/errors.h"
#include "server/store/store.h"
#include "tests/server/store_fixture.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(StoreTest, LetsOnlyOneClaimWin) {
  const std::string uid = Create(SomeJob());
  const QueuedJob queued = Queued(uid);
  EXPECT_OK(store_->Claim(queued, "gpu0", "cuda:0"));
  EXPECT_TRUE(IsStateMovedOn(store_->Claim(queued, "gpu1", "cuda:1").status()));
  EXPECT_THAT(store_->ReadLeases().value(), SizeIs(1));
}

TEST_F(StoreTest, LeasesADeviceToOneJob) {
  const std::string first = Create(SomeJob());
  const std::string second = Create(SomeJob());
  Claim(first);
  EXPECT_TRUE(IsStateMovedOn(store_->Claim(Queued(second), "cpu", "cpu").status()));
  EXPECT_EQ(StateOf(second), v1::STATE_QUEUED);
}

TEST_F(StoreTest, GivesEveryOwnerALargerToken) {
  const std::string uid = Create(SomeJob());
  const AttemptKey first = Claim(uid);
  ASSERT_OK(store_->EndAttempt(first, v1::STATE_RUNNING, EndedWith("WORKER_CRASHED"), {.to = v1::STATE_QUEUED}));
  const AttemptKey second = Claim(uid);
  EXPECT_GT(second.token, first.token);
  EXPECT_EQ(second.number, 2);
}

TEST_F(StoreTest, RefusesEventsOfAnEarlierOwner) {
  const std::string uid = Create(SomeJob());
  const AttemptKey first = Claim(uid);
  ASSERT_OK(store_->EndAttempt(first, v1::STATE_RUNNING, EndedWith("WORKER_CRASHED"), {.to = v1::STATE_QUEUED}));
  EXPECT_TRUE(IsStateMovedOn(store_->AppendEvent(first, SomeEvent())));
  const AttemptKey second = Claim(uid);
  AttemptKey forged = second;
  forged.token = first.token;
  EXPECT_TRUE(IsStateMovedOn(store_->AppendEvent(forged, SomeEvent())));
  EXPECT_TRUE(IsStateMovedOn(store_->AddCheckpoint(forged, {.object = "x"})));
  EXPECT_EQ(store_->ReadCheckpoint(uid, 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_OK(store_->AppendEvent(second, SomeEvent()));
}

TEST_F(StoreTest, RefusesTransitionsThatAreNotInTheTable) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  const absl::Status status =
      store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_CANCELLED});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("RUNNING cannot become CANCELLED")));
  EXPECT_EQ(ReasonOf(status), "ILLEGAL_STATE");
  EXPECT_EQ(StateOf(uid), v1::STATE_RUNNING);
  EXPECT_THAT(store_->ReadLeases().value(), SizeIs(1)) << "the lease was not given back with the refusal";
}

TEST_F(StoreTest, RefusesToEndWhatMovedOn) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  ASSERT_OK(store_->SteerJob(uid, Steer::kCancel));
  EXPECT_TRUE(
      IsStateMovedOn(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED})));
  EXPECT_OK(store_->EndAttempt(key, v1::STATE_CANCELLING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED}));
  EXPECT_TRUE(
      IsStateMovedOn(store_->EndAttempt(key, v1::STATE_CANCELLING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED})));
}

TEST_F(StoreTest, CancelsAccordingToTheState) {
  const std::string queued = Create(SomeJob());
  EXPECT_EQ(store_->SteerJob(queued, Steer::kCancel).value(), v1::STATE_CANCELLED);
  EXPECT_EQ(store_->SteerJob(queued, Steer::kCancel).value(), v1::STATE_CANCELLED);
  EXPECT_THAT(Events(queued), SizeIs(2)) << "the second cancel left no trace";
  const std::string running = Create(SomeJob());
  const AttemptKey key = Claim(running);
  EXPECT_EQ(store_->SteerJob(running, Steer::kCancel).value(), v1::STATE_CANCELLING);
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_CANCELLING, EndedWith("CANCELLED"), {.to = v1::STATE_CANCELLED}));
  EXPECT_EQ(store_->SteerJob(running, Steer::kCancel).value(), v1::STATE_CANCELLED);
}

TEST_F(StoreTest, ShowsErrorResultAndAttempts) {
  const std::string uid = Create(SomeJob());
  StateChange failed{.to = v1::STATE_FAILED, .reason = "NUMERICAL_FAILURE"};
  failed.error.emplace().set_message("no");
  v1::Attempt attempt = EndedWith("NUMERICAL_FAILURE");
  attempt.set_log_tail("the end");
  ASSERT_OK(store_->EndAttempt(Claim(uid), v1::STATE_RUNNING, attempt, failed));
  ASSERT_OK_AND_ASSIGN(const JobRecord record, store_->ReadJob(uid));
  EXPECT_EQ(record.job.error().message(), "no");
  EXPECT_EQ(record.job.state_reason(), "NUMERICAL_FAILURE");
  ASSERT_THAT(record.job.attempts(), SizeIs(1));
  EXPECT_EQ(record.job.attempts(0).log_tail(), "the end");
  EXPECT_TRUE(record.job.attempts(0).has_end_time());
  EXPECT_TRUE(record.job.has_end_time());
  EXPECT_FALSE(record.job.has_result());
}

TEST_F(StoreTest, PublishesCheckpointAndEventTogether) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  CheckpointRecord checkpoint{.object = "object-1"};
  checkpoint.ref.set_name("projects/p/jobs/x/checkpoints/0");
  checkpoint.ref.set_manifest_sha256("abc");
  ASSERT_OK(store_->AddCheckpoint(key, checkpoint));
  EXPECT_TRUE(Events(uid).back().has_checkpoint_published());
  EXPECT_EQ(store_->ReadCheckpoint(uid, 0)->object, "object-1");
  EXPECT_THAT(store_->ReadJob(uid)->job.checkpoints(), SizeIs(1));
  EXPECT_THAT(store_->ReadObjects().value(), ElementsAre("object-1"));
  EXPECT_FALSE(store_->AddCheckpoint(key, checkpoint).ok()) << "the number is taken";
  EXPECT_THAT(Events(uid), SizeIs(3));
}

TEST_F(StoreTest, EndsTheAttemptsOfADeadServer) {
  const std::string running = Create(SomeJob());
  const std::string cancelling = Create(SomeJob());
  const std::string queued = Create(SomeJob());
  Claim(running, "gpu0");
  Claim(cancelling, "gpu1");
  ASSERT_OK(store_->SteerJob(cancelling, Steer::kCancel));
  Reopen();
  EXPECT_EQ(store_->EndLostAttempts().value(), 2);
  EXPECT_EQ(StateOf(running), v1::STATE_QUEUED);
  EXPECT_EQ(StateOf(cancelling), v1::STATE_CANCELLED);
  EXPECT_EQ(StateOf(queued), v1::STATE_QUEUED);
  EXPECT_EQ(store_->ReadJob(running)->job.attempts(0).cause(), "SERVER_DIED");
  EXPECT_EQ(store_->ReadJob(running)->job.state_reason(), "SERVER_DIED");
  EXPECT_THAT(store_->ReadLeases().value(), IsEmpty());
  EXPECT_EQ(store_->EndLostAttempts().value(), 0);
}

TEST_F(StoreTest, RefusesASecondJobInOneStagingFolder) {
  const std::string first = Create(SomeJob());
  ASSERT_OK(store_->SteerJob(first, Steer::kCancel));
  NewJob resumed = SomeJob("resumed");
  resumed.staging_uid = first;
  const std::string second = Create(resumed);
  EXPECT_EQ(store_->ReadJob(second)->staging_uid, first);
  resumed.id = "again";
  const auto third = store_->CreateJob(resumed);
  EXPECT_THAT(third, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("projects/p/jobs/resumed")));
  ASSERT_OK(store_->SteerJob(second, Steer::kCancel));
  EXPECT_OK(store_->CreateJob(resumed));
}

}  // namespace
}  // namespace pivot
