// SPDX-License-Identifier: Apache-2.0
// What the store keeps for the scheduler.
#include <cmath>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/errors.h"
#include "tests/server/store_fixture.h"

namespace pivot {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Of a minute the half-life of a day takes 0.02 s.
constexpr double kDecayed = 0.03;

class BooksTest : public StoreTest {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(folder_ / "books.db", {.now = [this] { return now_; }}));
  }

  NewJob PlannedJob() {
    NewJob job = SomeJob();
    v1::Plan plan;
    plan.set_peak_gpu_bytes(1000);
    plan.set_least_gpu_bytes(400);
    plan.set_peak_host_bytes(2000);
    plan.set_disk_bytes(3000);
    plan.set_est_seconds(60);
    job.plan = plan;
    return job;
  }
  QueueSnapshot Snapshot() {
    auto snapshot = store_->ReadSnapshot();
    EXPECT_OK(snapshot);
    return snapshot.value_or(QueueSnapshot{});
  }
  void End(const AttemptKey& key, const v1::Attempt& ended, v1::State to) {
    EXPECT_OK(store_->EndAttempt(key, v1::STATE_RUNNING, ended, {.to = to, .reason = ended.cause()}));
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(BooksTest, KnowsWhatAQueuedJobNeeds) {
  NewJob job = PlannedJob();
  job.spec.mutable_run_timeout()->set_seconds(90);
  const std::string uid = Create(job);
  const QueueSnapshot snapshot = Snapshot();
  ASSERT_THAT(snapshot.queued, SizeIs(1));
  const QueuedJob& queued = snapshot.queued[0];
  EXPECT_EQ(queued.project, "p");
  EXPECT_EQ(queued.needs.gpu_bytes, 1000);
  EXPECT_EQ(queued.needs.least_gpu_bytes, 400);
  EXPECT_EQ(queued.needs.host_bytes, 2000);
  EXPECT_EQ(queued.needs.disk_bytes, 3000);
  EXPECT_EQ(queued.needs.seconds, 60);
  EXPECT_EQ(queued.needs.most_seconds, 90);
  EXPECT_EQ(queued.queue_us, absl::ToUnixMicros(now_));
  EXPECT_EQ(queued.reason, "WAITING_FOR_DEVICE");
  EXPECT_EQ(snapshot.now_us, absl::ToUnixMicros(now_));
}

TEST_F(BooksTest, ReservesWhatAJobNeedsUntilItEnds) {
  const std::string uid = Create(PlannedJob());
  QueuedJob job = Queued(uid);
  job.needs.host_bytes = 2500;  // corrected
  ASSERT_OK_AND_ASSIGN(const AttemptKey key, store_->Claim(job, "GPU-a", "cuda:0"));
  QueueSnapshot snapshot = Snapshot();
  ASSERT_THAT(snapshot.running, SizeIs(1));
  EXPECT_THAT(snapshot.queued, IsEmpty());
  EXPECT_EQ(snapshot.running[0].device, "GPU-a");
  EXPECT_EQ(snapshot.running[0].device_class, DeviceClass::kGpu);
  EXPECT_EQ(snapshot.running[0].needs.host_bytes, 2500);
  EXPECT_EQ(snapshot.running[0].needs.disk_bytes, 3000);
  EXPECT_EQ(snapshot.running[0].needs.seconds, 60);
  EXPECT_TRUE(snapshot.running[0].keeps_work);
  EXPECT_FALSE(snapshot.running[0].is_stopping);
  ASSERT_OK(store_->SteerJob(uid, Steer::kSuspend));
  EXPECT_TRUE(Snapshot().running[0].is_stopping);
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_SUSPENDING, EndedWith("SUSPENDED"), {.to = v1::STATE_SUSPENDED}));
  EXPECT_THAT(Snapshot().running, IsEmpty());
}

TEST_F(BooksTest, ChargesAProjectWithItsDeviceTime) {
  const AttemptKey key = Claim(Create(SomeJob()));
  const int64_t claim_us = absl::ToUnixMicros(now_);
  ASSERT_THAT(Snapshot().claims, SizeIs(1));
  EXPECT_EQ(Snapshot().claims[0].device, "auto");
  EXPECT_NEAR(static_cast<double>(Snapshot().claims[0].claim_us), static_cast<double>(claim_us), 2);
  now_ += absl::Minutes(1);
  End(key, EndedWith("DONE"), v1::STATE_SUCCEEDED);
  ASSERT_THAT(Snapshot().usage, SizeIs(1));
  EXPECT_EQ(Snapshot().usage[0].device_class, DeviceClass::kCpu);
  EXPECT_NEAR(Snapshot().usage[0].device_seconds, 60, kDecayed);
  // A day later half of it is left.
  const AttemptKey second = Claim(Create(SomeJob()));
  now_ += absl::Hours(24);
  End(second, EndedWith("DONE"), v1::STATE_SUCCEEDED);
  const double of_a_day = 24 * 3600 / std::log(2.0) / 2;
  EXPECT_NEAR(Snapshot().usage[0].device_seconds, 30 + of_a_day, 2 * kDecayed);
}

TEST_F(BooksTest, DoesNotChargeForTheTimeThatTheServerWasDown) {
  const AttemptKey key = Claim(Create(SomeJob()));
  now_ += absl::Minutes(1);
  ASSERT_OK(store_->AppendEvent(key, SomeEvent()));
  now_ += absl::Hours(10);
  ASSERT_OK(store_->EndLostAttempts());
  EXPECT_NEAR(Snapshot().usage[0].device_seconds, 60, kDecayed);
}

TEST_F(BooksTest, CountsPreemptionsAndWhenAJobCameBack) {
  const std::string uid = Create(SomeJob());
  const int64_t create_us = Queued(uid).create_us;
  const AttemptKey key = Claim(uid);
  now_ += absl::Minutes(1);
  End(key, EndedWith("PREEMPTED"), v1::STATE_QUEUED);
  EXPECT_EQ(Queued(uid).create_us, create_us);
  EXPECT_EQ(Queued(uid).queue_us, absl::ToUnixMicros(now_));
  Claim(uid);
  EXPECT_EQ(Snapshot().running[0].preemptions, 1);
}

TEST_F(BooksTest, ScoresEstimatesOfWholeRuns) {
  const AttemptKey key = Claim(Create(PlannedJob()), "GPU-a");
  now_ += absl::Seconds(90);
  v1::Attempt ended = EndedWith("DONE");
  ended.set_peak_gpu_bytes(1100);
  ended.set_peak_host_bytes(1000);
  End(key, ended, v1::STATE_SUCCEEDED);
  std::map<Score::Measure, double> ratios;
  for (const Score& score : Snapshot().scores) ratios[score.measure] = score.ratio;
  EXPECT_THAT(Snapshot().scores, Each(Field(&Score::device_class, DeviceClass::kGpu)));
  EXPECT_EQ(ratios[Score::Measure::kSeconds], 1.5);
  EXPECT_EQ(ratios[Score::Measure::kGpuBytes], 1.1);
  EXPECT_EQ(ratios[Score::Measure::kHostBytes], 0.5);
}

TEST_F(BooksTest, ScoresNothingElse) {
  const AttemptKey failed = Claim(Create(PlannedJob()));
  End(failed, EndedWith("INVALID_INPUT"), v1::STATE_FAILED);
  const AttemptKey resumed = Claim(Create(PlannedJob()));
  v1::Attempt ended = EndedWith("DONE");
  ended.set_resumed_blocks(3);
  End(resumed, ended, v1::STATE_SUCCEEDED);
  const AttemptKey unplanned = Claim(Create(SomeJob()));
  End(unplanned, EndedWith("DONE"), v1::STATE_SUCCEEDED);
  EXPECT_THAT(Snapshot().scores, IsEmpty());
}

TEST_F(BooksTest, KeepsTheNewestScores) {
  for (int i = 1; i <= 70; ++i) {
    const AttemptKey key = Claim(Create(PlannedJob()));
    now_ += absl::Seconds(60 * i);
    End(key, EndedWith("DONE"), v1::STATE_SUCCEEDED);
  }
  EXPECT_THAT(Snapshot().scores, SizeIs(64));
  EXPECT_THAT(Snapshot().scores, Each(Field(&Score::ratio, ::testing::Gt(6))));
}

TEST_F(BooksTest, ExplainsWaitsWithoutAnEvent) {
  const std::string uid = Create(SomeJob());
  const std::string running = Create(SomeJob());
  Claim(running);
  const v1::Job before = store_->ReadJob(uid)->job;
  ASSERT_OK(store_->ExplainWaits({{uid, "WAITING_FOR_DISK"}, {running, "WAITING_FOR_DISK"}}));
  const v1::Job after = store_->ReadJob(uid)->job;
  EXPECT_EQ(after.state_reason(), "WAITING_FOR_DISK");
  EXPECT_EQ(after.etag(), before.etag());
  EXPECT_EQ(after.last_seq(), before.last_seq());
  EXPECT_EQ(store_->ReadJob(running)->job.state_reason(), "STARTING");
}

}  // namespace
}  // namespace pivot
