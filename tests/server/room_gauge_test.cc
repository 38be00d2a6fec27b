// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/room_gauge.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

#include "tests/server/snapshot_builder.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

class RoomGaugeTest : public ::testing::Test {
 protected:
  RoomGauge gauge_{{NumberedGpu(0), NumberedGpu(1), NamedCpu()},
                   {.gpu_free_bytes = [this] { return gpus_; },
                    .disk_free_bytes = [] { return int64_t{1000}; },
                    .host_bytes = 2000,
                    .kept_disk_bytes = 50}};
  std::map<std::string, int64_t> gpus_ = {{"GPU-0", 70}};
};

TEST_F(RoomGaugeTest, KeepsSomeOfHostAndDisk) {
  const Room room = gauge_.Measure({});
  EXPECT_EQ(room.host_bytes, 1800);
  EXPECT_EQ(room.disk_bytes, 900);
}

TEST_F(RoomGaugeTest, KnowsNoLimitOfWhatNvmlDoesNotSpeakOf) {
  const Room room = gauge_.Measure({});
  EXPECT_EQ(room.devices[0].free_bytes, 70);
  EXPECT_EQ(room.devices[1].free_bytes, kNoLimit);
  EXPECT_EQ(room.devices[2].free_bytes, kNoLimit);
}

TEST_F(RoomGaugeTest, RemembersWhatWasFreeBeforeAJobCame) {
  gauge_.Measure({});
  gpus_["GPU-0"] = 5;
  QueueSnapshot snapshot;
  AddRunning(snapshot, "a", NumberedGpu(0));
  EXPECT_EQ(gauge_.Measure(snapshot.running).devices[0].free_bytes, 70);
  EXPECT_EQ(gauge_.Measure({}).devices[0].free_bytes, 5) << "that is another program's";
}

TEST(RoomTest, FindsTheHostsMemory) {
  EXPECT_GT(AvailableHostBytes(), int64_t{1} << 20);
  EXPECT_LT(AvailableHostBytes(), kNoLimit);
}

TEST(RoomTest, AddsUpAFoldersFiles) {
  const TemporaryFolder folder;
  folder.Write("a", "12345");
  folder.Write("b/c", "678");
  EXPECT_EQ(BytesBelow(folder.path()), 8);
  EXPECT_EQ(BytesBelow(folder / "none"), 0);
}

}  // namespace
}  // namespace pivot
