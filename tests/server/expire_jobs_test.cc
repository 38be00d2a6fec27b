// SPDX-License-Identifier: Apache-2.0
// What every store must do when jobs wait, or are kept, for so long only.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/convert.h"
#include "tests/server/store_fixture.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

class ExpireJobsTest : public StoreTest {
 protected:
  /// A queued job that may wait for a minute.
  std::string Impatient() {
    NewJob job = SomeJob();
    job.spec.mutable_queue_timeout()->set_seconds(60);
    return Create(job);
  }

  /// A cancelled job that is kept for an hour.
  std::string Short() {
    NewJob job = SomeJob();
    job.spec.mutable_ttl()->set_seconds(3600);
    const std::string uid = Create(job);
    EXPECT_OK(store_->SteerJob(uid, Steer::kCancel));
    return uid;
  }

  bool FailsOne() {
    const auto overdue = store_->FailOverdueJob();
    EXPECT_OK(overdue);
    return overdue.ok() && overdue->has_value();
  }
  bool DeletesOne() {
    const auto expired = store_->DeleteExpiredJob();
    EXPECT_OK(expired);
    return expired.ok() && expired->has_value();
  }
  bool Exists(const std::string& uid) { return store_->ReadJobHead(uid).ok(); }
  v1::Job Read(const std::string& uid) { return store_->ReadJob(uid).value_or(JobRecord{}).job; }
  absl::Duration UntilNext() { return store_->ReadNextDeadline().value() - (absl::Now() + ahead_); }
};

TEST_F(ExpireJobsTest, FailsAJobThatWaitedForTooLong) {
  const std::string patient = Create(SomeJob());
  const std::string uid = Impatient();
  EXPECT_EQ(Read(uid).queue_timeout().seconds(), 60);
  EXPECT_FALSE(FailsOne());
  EXPECT_LE(UntilNext(), absl::Seconds(60));
  EXPECT_GT(UntilNext(), absl::Seconds(30));
  ahead_ = absl::Seconds(61);
  ASSERT_OK_AND_ASSIGN(const auto overdue, store_->FailOverdueJob());
  ASSERT_TRUE(overdue.has_value());
  EXPECT_EQ(overdue->name, Read(uid).name());
  EXPECT_EQ(overdue->staging_uid, uid);
  const v1::Job failed = Read(uid);
  EXPECT_EQ(failed.state(), v1::STATE_FAILED);
  EXPECT_EQ(failed.state_reason(), "QUEUE_TIMEOUT");
  EXPECT_EQ(failed.error().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(failed.error().message(), HasSubstr("longer than its queue_timeout of 1m"));
  EXPECT_TRUE(failed.has_end_time());
  EXPECT_EQ(Events(uid).back().state_changed().reason(), "QUEUE_TIMEOUT");
  EXPECT_FALSE(FailsOne());
  EXPECT_EQ(StateOf(patient), v1::STATE_QUEUED);
  EXPECT_EQ(store_->ReadNextDeadline().value(), absl::InfiniteFuture());
}

TEST_F(ExpireJobsTest, CountsTheWaitAnewWhenAJobIsQueuedAgain) {
  const std::string uid = Impatient();
  ahead_ = absl::Seconds(50);
  const AttemptKey key = Claim(uid);
  ahead_ = absl::Seconds(1000);
  EXPECT_FALSE(FailsOne()) << "it runs";
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("WORKER_CRASHED"), {.to = v1::STATE_QUEUED}));
  ahead_ = absl::Seconds(1059);
  EXPECT_FALSE(FailsOne());
  ahead_ = absl::Seconds(1061);
  EXPECT_TRUE(FailsOne());
  ASSERT_OK(store_->SteerJob(uid, Steer::kRetry));
  EXPECT_FALSE(FailsOne());
  ASSERT_OK(store_->SteerJob(uid, Steer::kSuspend));
  ahead_ = absl::Hours(10);
  EXPECT_FALSE(FailsOne()) << "what is suspended does not wait";
}

TEST_F(ExpireJobsTest, WaitsAsLongAsTheNewestUpdateSays) {
  const std::string uid = Impatient();
  const std::string etag = Read(uid).etag();
  ahead_ = absl::Seconds(61);
  ASSERT_OK(store_->UpdateJob(uid, etag, {.queue_timeout = absl::Seconds(90)}));
  EXPECT_NE(Read(uid).etag(), etag);
  EXPECT_FALSE(FailsOne());
  ASSERT_OK(store_->UpdateJob(uid, "", {.priority = 7}));
  EXPECT_EQ(Read(uid).queue_timeout().seconds(), 90) << "nobody asked";
  ASSERT_OK(store_->UpdateJob(uid, "", {.queue_timeout = absl::InfiniteDuration()}));
  EXPECT_FALSE(Read(uid).has_queue_timeout());
  EXPECT_TRUE(Read(uid).spec().has_queue_timeout()) << "the spec stays";
  ahead_ = absl::Hours(10);
  EXPECT_FALSE(FailsOne());
  ASSERT_OK(store_->UpdateJob(uid, "", {.queue_timeout = absl::Hours(1)}));
  EXPECT_TRUE(FailsOne()) << "it has waited for ten hours";
}

TEST_F(ExpireJobsTest, DeletesAJobThatWasKeptForLongEnough) {
  const std::string kept = Create(SomeJob());
  ASSERT_OK(store_->SteerJob(kept, Steer::kCancel));
  const std::string uid = Short();
  const v1::Job job = Read(uid);
  EXPECT_EQ(job.ttl().seconds(), 3600);
  EXPECT_EQ(job.expire_time().seconds(), job.end_time().seconds() + 3600);
  EXPECT_FALSE(Read(kept).has_expire_time());
  EXPECT_FALSE(DeletesOne());
  ahead_ = absl::Seconds(3601);
  Reopen();
  ASSERT_OK_AND_ASSIGN(const auto expired, store_->DeleteExpiredJob());
  ASSERT_TRUE(expired.has_value());
  EXPECT_EQ(expired->uid, uid);
  EXPECT_EQ(expired->name, job.name());
  EXPECT_EQ(expired->staging_uid, uid);
  EXPECT_FALSE(Exists(uid));
  EXPECT_FALSE(DeletesOne());
  EXPECT_TRUE(Exists(kept));
}

TEST_F(ExpireJobsTest, TellsTheObjectsOfAnExpiredJob) {
  NewJob job = SomeJob();
  job.spec.mutable_ttl()->set_nanos(1);
  const AttemptKey key = Claim(Create(job));
  ASSERT_OK(store_->AddCheckpoint(key, {.object = "object-1"}));
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED}));
  ASSERT_OK_AND_ASSIGN(const auto expired, store_->DeleteExpiredJob());
  ASSERT_TRUE(expired.has_value());
  EXPECT_THAT(expired->objects, ::testing::ElementsAre("object-1"));
}

TEST_F(ExpireJobsTest, KeepsAnEndedJobAsLongAsTheNewestUpdateSays) {
  const std::string uid = Short();
  ASSERT_OK(store_->UpdateJob(uid, "", {.ttl = absl::Hours(2)}));
  EXPECT_EQ(ReasonOf(store_->UpdateJob(uid, "", {.priority = 7, .ttl = absl::Hours(9)})), "ILLEGAL_STATE");
  EXPECT_EQ(ReasonOf(store_->UpdateJob(uid, "", {.queue_timeout = absl::Hours(9)})), "ILLEGAL_STATE");
  EXPECT_EQ(Read(uid).ttl().seconds(), 7200) << "all or nothing";
  ahead_ = absl::Minutes(90);
  EXPECT_FALSE(DeletesOne());
  ASSERT_OK(store_->UpdateJob(uid, "", {.ttl = absl::InfiniteDuration()}));
  EXPECT_FALSE(Read(uid).has_expire_time());
  ahead_ = absl::Hours(100);
  EXPECT_FALSE(DeletesOne());
  ASSERT_OK(store_->UpdateJob(uid, "", {.ttl = absl::Hours(1)}));
  EXPECT_TRUE(DeletesOne());
}

TEST_F(ExpireJobsTest, KeepsARetriedJobUntilItHasEndedAgain) {
  const std::string uid = Short();
  ASSERT_OK(store_->SteerJob(uid, Steer::kRetry));
  EXPECT_FALSE(Read(uid).has_expire_time());
  ahead_ = absl::Hours(2);
  EXPECT_FALSE(DeletesOne());
  ASSERT_OK(store_->SteerJob(uid, Steer::kCancel));
  EXPECT_FALSE(DeletesOne());
  ahead_ = absl::Hours(4);
  EXPECT_TRUE(DeletesOne());
}

TEST_F(ExpireJobsTest, KnowsTheNearestDeadline) {
  EXPECT_EQ(store_->ReadNextDeadline().value(), absl::InfiniteFuture());
  Short();
  EXPECT_GT(UntilNext(), absl::Minutes(59));
  Impatient();
  EXPECT_LE(UntilNext(), absl::Minutes(1));
}

}  // namespace
}  // namespace pivot
