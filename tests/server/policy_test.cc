// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/policy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "tests/server/snapshot_builder.h"

namespace pivot {
namespace {

Room TwoGpus() {
  return {.devices = {{.device = NumberedGpu(0, 80 * kGib), .free_bytes = 79 * kGib},
                      {.device = NumberedGpu(1, 80 * kGib), .free_bytes = 79 * kGib},
                      {.device = NamedCpu()}},
          .host_bytes = 100 * kGib,
          .disk_bytes = 100 * kGib};
}

/// What was granted runs.
void Take(const Decision& decision, QueueSnapshot& snapshot) {
  ASSERT_TRUE(decision.start.has_value());
  const std::string uid = decision.start->job.uid;
  std::erase_if(snapshot.queued, [&](const QueuedJob& job) { return job.uid == uid; });
  AddRunning(snapshot, uid, decision.start->device).needs = decision.start->job.needs;
}

TEST(PolicyTest, GivesEachDeviceOnce) {
  QueueSnapshot snapshot = Noon();
  for (const char* uid : {"a", "b", "c"}) AddQueued(snapshot, uid);
  AddQueued(snapshot, "d").device = "cpu";
  std::string starts;
  while (true) {
    const Decision decision = Decide(snapshot, TwoGpus());
    starts += StartIn(decision) + " ";
    if (!decision.start.has_value()) break;
    Take(decision, snapshot);
  }
  EXPECT_EQ(starts, "a@cuda:0 d@cpu b@cuda:1 none ");
  EXPECT_EQ(HindranceOf(Decide(snapshot, TwoGpus()), "c"), Hindrance::kDevice) << "not on the CPU instead";
}

TEST(PolicyTest, PutsAutoOnTheCpuWhereThereIsNoGpu) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a");
  EXPECT_EQ(StartIn(Decide(snapshot, {.devices = {{.device = NamedCpu()}}})), "a@cpu");
}

TEST(PolicyTest, CountsTheMemoryOfOtherPrograms) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").needs = {.gpu_bytes = 40 * kGib};
  Room room = TwoGpus();
  room.devices[0].free_bytes = 40 * kGib + kGpuSlackBytes - 1;
  EXPECT_EQ(StartIn(Decide(snapshot, room)), "a@cuda:1");
  room.devices[1].free_bytes = room.devices[0].free_bytes;
  const Decision decision = Decide(snapshot, room);
  EXPECT_EQ(StartIn(decision), "none");
  EXPECT_EQ(ReasonFor(HindranceOf(decision, "a")), "WAITING_FOR_GPU_MEMORY");
  room.devices[0].free_bytes += 1;
  EXPECT_EQ(StartIn(Decide(snapshot, room)), "a@cuda:0");
}

TEST(PolicyTest, GivesAJobAnEmptyGpuThatIsSmallerThanItsEstimate) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").needs = {.gpu_bytes = 200 * kGib};
  EXPECT_EQ(StartIn(Decide(snapshot, TwoGpus())), "a@cuda:0");
  Room room = TwoGpus();
  for (DeviceRoom& device : room.devices) device.free_bytes = 70 * kGib;
  EXPECT_EQ(HindranceOf(Decide(snapshot, room), "a"), Hindrance::kGpuMemory);
}

TEST(PolicyTest, PrefersAGpuWithRoomForEverything) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").needs = {.gpu_bytes = 40 * kGib, .least_gpu_bytes = 10 * kGib, .host_bytes = 5 * kGib};
  Room room = TwoGpus();
  room.devices[0].free_bytes = 30 * kGib;
  EXPECT_EQ(StartIn(Decide(snapshot, room)), "a@cuda:1");
  AddRunning(snapshot, "x", NumberedGpu(1));
  const Decision decision = Decide(snapshot, room);
  EXPECT_EQ(StartIn(decision), "a@cuda:0");
  EXPECT_EQ(decision.start->gpu_budget_bytes, 30 * kGib - kGpuSlackBytes);
  EXPECT_EQ(decision.start->job.needs.host_bytes, 15 * kGib + kGpuSlackBytes) << "what the GPU has no room for";
}

TEST(PolicyTest, AddsUpHostMemory) {
  QueueSnapshot snapshot = Noon();
  AddRunning(snapshot, "x", NumberedGpu(0)).needs.host_bytes = 60 * kGib;
  AddQueued(snapshot, "a").needs.host_bytes = 40 * kGib + 1;
  EXPECT_EQ(ReasonFor(HindranceOf(Decide(snapshot, TwoGpus()), "a")), "WAITING_FOR_HOST_MEMORY");
  snapshot.queued[0].needs.host_bytes -= 1;
  EXPECT_EQ(StartIn(Decide(snapshot, TwoGpus())), "a@cuda:1");
}

TEST(PolicyTest, LetsAJobThatAsksForMoreThanTheHostHasRunAlone) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").needs.host_bytes = 101 * kGib;
  EXPECT_EQ(StartIn(Decide(snapshot, TwoGpus())), "a@cuda:0");
  AddRunning(snapshot, "x", NumberedGpu(0));
  EXPECT_EQ(StartIn(Decide(snapshot, TwoGpus())), "none");
}

TEST(PolicyTest, AddsUpDiskWithoutExceptions) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a").needs.disk_bytes = 101 * kGib;
  EXPECT_EQ(ReasonFor(HindranceOf(Decide(snapshot, TwoGpus()), "a")), "WAITING_FOR_DISK");
  snapshot.queued[0].needs.disk_bytes = 50 * kGib;
  EXPECT_EQ(StartIn(Decide(snapshot, TwoGpus())), "a@cuda:0");
  AddRunning(snapshot, "x", NumberedGpu(1)).needs.disk_bytes = 51 * kGib;
  EXPECT_EQ(HindranceOf(Decide(snapshot, TwoGpus()), "a"), Hindrance::kDisk);
}

/// The first job waits for host memory, a device stays free beside it.
class BackfillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RunningJob& running = AddRunning(snapshot_, "x", NumberedGpu(0));
    running.needs = {.host_bytes = 60 * kGib, .seconds = 660};  // ten minutes are left
    AddQueued(snapshot_, "head").needs = {.host_bytes = 70 * kGib};
    AddQueued(snapshot_, "small").needs = {.host_bytes = 35 * kGib, .most_seconds = 600};
  }
  std::string Start(const PolicyOptions& options = {}) { return StartIn(Decide(snapshot_, TwoGpus(), options)); }
  QueuedJob& Head() { return snapshot_.queued[0]; }
  QueuedJob& Small() { return snapshot_.queued[1]; }

  QueueSnapshot snapshot_ = Noon();
};

TEST_F(BackfillTest, StartsWhatIsBackBeforeTheHeadCanStart) {
  EXPECT_EQ(Start(), "small@cuda:1");
  Small().needs.most_seconds = 601;
  EXPECT_EQ(HindranceOf(Decide(snapshot_, TwoGpus()), "small"), Hindrance::kTurn);
  EXPECT_EQ(ReasonFor(Hindrance::kTurn), "WAITING_FOR_TURN");
  EXPECT_EQ(Start({.reserves = false}), "small@cuda:1") << "it is the reservation that holds it";
}

TEST_F(BackfillTest, StartsWhatTakesNothingThatTheHeadNeeds) {
  Small().needs = {.host_bytes = 30 * kGib};
  EXPECT_EQ(Start(), "small@cuda:1") << "the head will be on cuda:0, and 30 GiB are over";
  Small().needs.host_bytes += 1;
  EXPECT_EQ(Start(), "none");
}

TEST_F(BackfillTest, TrustsNoEstimateOfAJobThatHasOutlivedIts) {
  snapshot_.running[0].needs.seconds = 30;
  EXPECT_EQ(Start(), "none");
}

TEST_F(BackfillTest, TrustsNoEstimateWhenTheHeadIsLate) {
  Head().queue_us = snapshot_.now_us - 10 * kHour;
  EXPECT_EQ(Start(), "none");
  Small().needs = {.host_bytes = 30 * kGib};
  EXPECT_EQ(Start(), "small@cuda:1");
}

TEST_F(BackfillTest, HoldsNothingForAJobThatTheMachineHasNoRoomFor) {
  Head().needs = {.disk_bytes = 200 * kGib};
  Small().needs.most_seconds = 1e9;
  EXPECT_EQ(Start(), "small@cuda:1");
}

/// An urgent job, and two GPUs whose jobs are not.
class PreemptionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const int index : {0, 1}) {
      RunningJob& job = AddRunning(snapshot_, index == 0 ? "x" : "y", NumberedGpu(index));
      job.start_us = snapshot_.now_us - (2 - index) * kHour;
      job.needs.seconds = 5 * 3600;
    }
    AddQueued(snapshot_, "urgent").priority = 90;
  }
  std::string Victim(const PolicyOptions& options = {}) {
    const Decision decision = Decide(snapshot_, TwoGpus(), options);
    EXPECT_FALSE(decision.start.has_value());
    return decision.preempt.has_value() ? decision.preempt->uid : "none";
  }
  RunningJob& X() { return snapshot_.running[0]; }
  RunningJob& Y() { return snapshot_.running[1]; }
  QueuedJob& Urgent() { return snapshot_.queued[0]; }

  QueueSnapshot snapshot_ = Noon();
};

TEST_F(PreemptionTest, TakesTheYoungestOfTheLowestBand) {
  EXPECT_EQ(Victim(), "y");
  X().priority = 10;
  EXPECT_EQ(Victim(), "x");
  EXPECT_EQ(Victim({.preempts = false}), "none");
}

TEST_F(PreemptionTest, TakesOnlyFromLowerBands) {
  Urgent().priority = 59;
  EXPECT_EQ(Victim(), "none");
  Urgent().queue_us = snapshot_.now_us - 10 * kHour;
  EXPECT_EQ(Victim(), "none") << "waiting lifts nobody here";
}

TEST_F(PreemptionTest, TakesOnlyADeviceThatWillDo) {
  Urgent().device = "cuda:0";
  EXPECT_EQ(Victim(), "x");
  Urgent().device = "cpu";
  snapshot_.running.push_back(X());
  snapshot_.running.back().device = "cpu";
  snapshot_.running.back().uid = "z";
  EXPECT_EQ(Victim(), "z");
  Urgent().needs.disk_bytes = 200 * kGib;
  EXPECT_EQ(Victim(), "none");
}

TEST_F(PreemptionTest, LeavesAJobItsFirstAndItsLastMinutes) {
  Y().start_us = snapshot_.now_us - 599 * kSecond;
  EXPECT_EQ(Victim(), "x");
  X().needs.seconds = 2 * 3600 + 599;
  EXPECT_EQ(Victim(), "none");
  X().needs.seconds += 1;
  EXPECT_EQ(Victim(), "x");
}

TEST_F(PreemptionTest, LeavesAJobThatWasPreemptedThreeTimesOrWouldLoseItsWork) {
  Y().preemptions = 3;
  EXPECT_EQ(Victim(), "x");
  X().keeps_work = false;
  EXPECT_EQ(Victim(), "none");
}

TEST_F(PreemptionTest, WaitsForOneThatIsStopping) {
  Y().is_stopping = true;
  EXPECT_EQ(Victim(), "none");
  AddQueued(snapshot_, "another").priority = 90;
  EXPECT_EQ(Victim(), "none") << "the first job would get both devices";
  Urgent().device = "cuda:1";
  EXPECT_EQ(Victim(), "x") << "now the second one needs its own";
}

TEST_F(PreemptionTest, TakesNothingThatAnotherWouldGet) {
  AddQueued(snapshot_, "overdue").queue_us = snapshot_.now_us - 11 * kHour;
  EXPECT_EQ(Victim(), "none");
}

TEST(PolicyTest, DecidesTheSameAboutTheSame) {
  QueueSnapshot snapshot = Noon();
  for (const char* uid : {"a", "b", "c"}) AddQueued(snapshot, uid);
  QueueSnapshot reversed = snapshot;
  std::reverse(reversed.queued.begin(), reversed.queued.end());
  EXPECT_EQ(StartIn(Decide(snapshot, TwoGpus())), StartIn(Decide(reversed, TwoGpus())));
}

}  // namespace
}  // namespace pivot
