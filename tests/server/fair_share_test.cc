// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/fair_share.h"

#include <cmath>
#include <string>

#include "gtest/gtest.h"

#include "tests/server/snapshot_builder.h"

namespace pivot {
namespace {

constexpr double kHalfLife = 24 * 3600;
// Sums of a few doubles of about 1e5.
constexpr double kRounding = 1e-6;

std::string OrderOf(const QueueSnapshot& snapshot, const FairShareOptions& options = {}) {
  std::string order;
  for (const Turn& turn : OrderQueue(snapshot, AutoMeans::kGpu, options)) order += turn.job->uid;
  return order;
}

void Used(QueueSnapshot& snapshot, const std::string& project, double seconds) {
  snapshot.usage.push_back(
      {.project = project, .device_class = DeviceClass::kGpu, .device_seconds = seconds, .as_of_us = snapshot.now_us});
}

TEST(FairShareTest, HalvesUsageEveryHalfLife) {
  EXPECT_NEAR(Decay(100, kHalfLife, kHalfLife), 50, kRounding);
  EXPECT_NEAR(Decay(100, 3 * kHalfLife, kHalfLife), 12.5, kRounding);
  EXPECT_NEAR(DecayedRun(60, kHalfLife), 60, 0.03) << "a short run is all there";
  EXPECT_NEAR(DecayedRun(1000 * kHalfLife, kHalfLife), kHalfLife / std::log(2.0), kRounding)
      << "and one without end is worth what decays as fast as it runs";
}

TEST(FairShareTest, CountsARunTheSameInOnePieceAndInTwo) {
  ProjectUsage whole;
  AddRun(0, 10 * kHour, {}, whole);
  ProjectUsage halves;
  AddRun(0, 4 * kHour, {}, halves);
  AddRun(4 * kHour, 10 * kHour, {}, halves);
  EXPECT_NEAR(whole.device_seconds, halves.device_seconds, kRounding);
  EXPECT_EQ(halves.as_of_us, 10 * kHour);
}

TEST(FairShareTest, CutsPrioritiesIntoBands) {
  EXPECT_EQ(BandOf(0), 0);
  EXPECT_EQ(BandOf(19), 0);
  EXPECT_EQ(BandOf(20), 1);
  EXPECT_EQ(BandOf(50), 2);
  EXPECT_EQ(BandOf(99), 4);
  EXPECT_EQ(BandOf(100), 4);
}

TEST(FairShareTest, TakesHigherBandsFirst) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").priority = 39;
  AddQueued(snapshot, "b").priority = 40;
  AddQueued(snapshot, "c").priority = 80;
  EXPECT_EQ(OrderOf(snapshot), "cba");
}

TEST(FairShareTest, TakesTheProjectThatUsedLeastFirst) {
  QueueSnapshot snapshot = Noon();
  Used(snapshot, "busy", 5000);
  Used(snapshot, "idle", 4000);
  AddQueued(snapshot, "a", "busy").priority = 59;
  AddQueued(snapshot, "b", "idle").priority = 41;
  AddQueued(snapshot, "c", "new").priority = 40;
  EXPECT_EQ(OrderOf(snapshot), "cba") << "within a band priority counts only within a project";
  FairShareOptions blind;
  blind.weighs_usage = false;
  EXPECT_EQ(OrderOf(snapshot, blind), "abc");
}

TEST(FairShareTest, CountsTheCpuAndGpusApart) {
  QueueSnapshot snapshot = Noon();
  Used(snapshot, "p", 5000);
  AddQueued(snapshot, "a", "p").device = "cpu";
  AddQueued(snapshot, "b", "q").device = "cpu";
  EXPECT_EQ(OrderOf(snapshot), "ab");
}

TEST(FairShareTest, TakesPriorityAndThenAgeWithinAProject) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").priority = 50;
  AddQueued(snapshot, "b").priority = 50;
  AddQueued(snapshot, "c").priority = 51;
  EXPECT_EQ(OrderOf(snapshot), "cab");
}

TEST(FairShareTest, ChargesWhatRunsWithItsEstimateAtLeast) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a", "bursting");
  AddQueued(snapshot, "b", "steady");
  Used(snapshot, "steady", 300);
  AddRunning(snapshot, "x", NumberedGpu(0), "bursting").start_us = snapshot.now_us;
  EXPECT_EQ(OrderOf(snapshot), "ab") << "the penalty of an unknown job is a minute";
  snapshot.running[0].needs.seconds = 301;
  EXPECT_EQ(OrderOf(snapshot), "ba");
  snapshot.running[0].needs.seconds = 10;
  snapshot.running[0].start_us = snapshot.now_us - 302 * kSecond;
  EXPECT_EQ(OrderOf(snapshot), "ba") << "once it has run for longer, that counts";
}

TEST(FairShareTest, LiftsALaneThatGetsNothing) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a", "p").priority = 0;
  snapshot.queued[0].queue_us = snapshot.now_us - 4 * kHour;
  AddQueued(snapshot, "b", "q").priority = 40;
  Used(snapshot, "q", 1000);
  EXPECT_EQ(OrderOf(snapshot), "ab") << "two bands in four hours";
  snapshot.queued[0].queue_us += 1;
  EXPECT_EQ(OrderOf(snapshot), "ba") << "and one in less";
  snapshot.queued[0].queue_us = snapshot.now_us - 10 * kHour;
  snapshot.queued[1].priority = 100;
  EXPECT_EQ(OrderOf(snapshot), "ab") << "all in ten";
  FairShareOptions ageless;
  ageless.aging_seconds = INFINITY;
  EXPECT_EQ(OrderOf(snapshot, ageless), "ba");
}

TEST(FairShareTest, DoesNotLiftAFloodWhoseLaneIsServed) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a", "flood").queue_us = snapshot.now_us - 11 * kHour;
  AddQueued(snapshot, "b", "new");
  Used(snapshot, "flood", 1000);
  EXPECT_EQ(OrderOf(snapshot), "ab");
  snapshot.claims.push_back({.project = "flood", .device = "auto", .claim_us = snapshot.now_us - kMinute});
  EXPECT_EQ(OrderOf(snapshot), "ba");
  snapshot.queued[0].device = "cuda:1";
  EXPECT_EQ(OrderOf(snapshot), "ab") << "that lane has got nothing";
}

TEST(FairShareTest, TakesALateJobBeforeItsProjectsUrgentOnes) {
  QueueSnapshot snapshot = Noon();
  snapshot.claims.push_back({.project = "p", .device = "auto", .claim_us = snapshot.now_us - kMinute});
  AddQueued(snapshot, "a", "p").priority = 100;
  AddQueued(snapshot, "b", "p").priority = 10;
  AddQueued(snapshot, "c", "q").priority = 70;
  EXPECT_EQ(OrderOf(snapshot), "acb");
  snapshot.queued[1].queue_us = snapshot.now_us - 10 * kHour;
  EXPECT_EQ(OrderOf(snapshot), "bac");
}

TEST(FairShareTest, TakesLanesThatAreOverdueInTheOrderOfTheirWait) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a", "p").queue_us = snapshot.now_us - 10 * kHour;
  AddQueued(snapshot, "b", "q").queue_us = snapshot.now_us - 11 * kHour;
  Used(snapshot, "q", 1000);
  EXPECT_EQ(OrderOf(snapshot), "ba");
}

}  // namespace
}  // namespace pivot
