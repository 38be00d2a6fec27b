// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/device_health.h"

#include "gtest/gtest.h"

#include "server/scheduler/policy.h"
#include "tests/server/snapshot_builder.h"

namespace pivot {
namespace {

class DeviceHealthTest : public ::testing::Test {
 protected:
  bool Ends(const std::string& job, const std::string& cause, const std::string& device = "cuda:0") {
    return health_.AttemptEnded(device, job, cause).has_value();
  }
  bool IsSetAside(const std::string& device = "cuda:0") const { return health_.Look(device).has_value(); }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  DeviceHealth health_{[this] { return now_; }};
};

TEST_F(DeviceHealthTest, SetsAsideWhereTwoJobsCrash) {
  EXPECT_FALSE(Ends("a", "WORKER_CRASHED"));
  EXPECT_FALSE(IsSetAside());
  EXPECT_TRUE(Ends("b", "DEVICE_FAULT"));
  ASSERT_TRUE(IsSetAside());
  EXPECT_EQ(health_.Look("cuda:0")->cause, "DEVICE_FAULT");
  EXPECT_EQ(health_.Look("cuda:0")->until, now_ + absl::Minutes(30));
  EXPECT_FALSE(IsSetAside("cuda:1"));
}

TEST_F(DeviceHealthTest, BlamesAJobThatCrashesAlone) {
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Ends("a", "WORKER_CRASHED"));
}

TEST_F(DeviceHealthTest, BlamesAJobThatCrashesEverywhere) {
  EXPECT_FALSE(Ends("a", "WORKER_CRASHED", "cuda:0"));
  EXPECT_FALSE(Ends("a", "WORKER_CRASHED", "cuda:1")) << "it was the job";
  EXPECT_FALSE(Ends("b", "WORKER_CRASHED", "cuda:0"));
  EXPECT_FALSE(Ends("c", "WORKER_CRASHED", "cuda:1"));
  EXPECT_TRUE(Ends("d", "WORKER_CRASHED", "cuda:0"));
}

TEST_F(DeviceHealthTest, CountsNothingElse) {
  for (const char* cause : {"CANCELLED", "SUSPENDED", "PREEMPTED", "INVALID_INPUT", "GPU_OUT_OF_MEMORY", "RUN_TIMEOUT",
                            "STORE_FAILED", "SERVER_STOPPED", "SERVER_DIED"}) {
    EXPECT_FALSE(Ends("a", cause)) << cause;
    EXPECT_FALSE(Ends("b", cause)) << cause;
  }
}

TEST_F(DeviceHealthTest, ForgetsCrashesOfLongAgo) {
  Ends("a", "WORKER_CRASHED");
  now_ += absl::Minutes(10) + absl::Seconds(1);
  EXPECT_FALSE(Ends("b", "WORKER_CRASHED"));
}

TEST_F(DeviceHealthTest, ForgetsCrashesWhenAJobSucceeds) {
  Ends("a", "WORKER_CRASHED");
  Ends("b", "DONE");
  EXPECT_FALSE(Ends("c", "WORKER_CRASHED"));
}

TEST_F(DeviceHealthTest, TriesAgainAndRestsLongerEachTime) {
  Ends("a", "WORKER_STUCK");
  Ends("b", "WORKER_STUCK");
  absl::Duration rest = absl::Minutes(30);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(health_.Look("cuda:0")->until, now_ + rest);
    now_ += rest;
    EXPECT_FALSE(IsSetAside()) << "it is tried again";
    EXPECT_TRUE(Ends("c", "WORKER_STUCK")) << "one crash is enough now";
    rest = std::min(2 * rest, absl::Hours(4));
  }
  now_ += rest;
  Ends("d", "DONE");
  EXPECT_FALSE(Ends("e", "WORKER_STUCK")) << "as if nothing had been";
}

TEST(SetAsideTest, GetsNoJobs) {
  QueueSnapshot snapshot = Noon();
  AddQueued(snapshot, "a");
  Room room{.devices = {{.device = NumberedGpu(0)}, {.device = NumberedGpu(1)}, {.device = NamedCpu()}}};
  room.devices[0].is_set_aside = true;
  EXPECT_EQ(StartIn(Decide(snapshot, room)), "a@cuda:1");
  room.devices[1].is_set_aside = true;
  const Decision decision = Decide(snapshot, room);
  EXPECT_EQ(StartIn(decision), "none") << "auto still means a GPU";
  EXPECT_EQ(HindranceOf(decision, "a"), Hindrance::kDevice);
}

}  // namespace
}  // namespace pivot
