// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/scheduler.h"

#include <mutex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/scheduler/admission.h"
#include "tests/server/snapshot_builder.h"
#include "tests/server/store_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Device Cpu() { return NamedCpu(); }
Device Gpu(int index) { return NumberedGpu(index); }

TEST(DeviceTest, RefusesADeviceThatIsNotThere) {
  EXPECT_OK(CheckDevice("auto", {Cpu()}));
  EXPECT_OK(CheckDevice("", {Cpu()}));
  EXPECT_OK(CheckDevice("cuda:1", {Gpu(0), Gpu(1), Cpu()}));
  const absl::Status status = CheckDevice("cuda:2", {Gpu(0), Gpu(1), Cpu()});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("cuda:0, cuda:1, cpu")));
  EXPECT_EQ(ReasonOf(status), "DEVICE_NOT_FOUND");
}

TEST(VisibleTest, ReadsCudaVisibleDevicesAsCudaDoes) {
  const std::vector<Device> gpus = {Gpu(0), Gpu(1), Gpu(2)};
  const auto uuids = [&](const std::optional<std::string>& variable) {
    std::string text;
    for (const Device& gpu : SelectVisible(gpus, variable)) text += gpu.name + "=" + gpu.uuid + " ";
    return text;
  };
  EXPECT_EQ(uuids(std::nullopt), "cuda:0=GPU-0 cuda:1=GPU-1 cuda:2=GPU-2 ");
  EXPECT_EQ(uuids("2,0"), "cuda:0=GPU-2 cuda:1=GPU-0 ");
  EXPECT_EQ(uuids("GPU-1"), "cuda:0=GPU-1 ");
  EXPECT_EQ(uuids("1,7,0"), "cuda:0=GPU-1 ") << "it ends at the first that is not there";
  EXPECT_EQ(uuids(""), "");
  EXPECT_EQ(uuids("-1"), "");
}

TEST(NvmlTest, ListsTheGpusThatAnswer) {
  const std::vector<Device> gpus = FindGpus(PIVOT_FAKE_NVML);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].uuid, "GPU-0");
  EXPECT_EQ(gpus[1].uuid, "GPU-2");
  EXPECT_EQ(gpus[0].model, "Fake 80GB");
  EXPECT_EQ(gpus[0].memory_bytes, int64_t{80} << 30);
}

TEST(NvmlTest, TellsWhatIsFree) {
  const GpuMemory memory(PIVOT_FAKE_NVML);
  EXPECT_THAT(memory.FreeBytes(), ElementsAre(Pair("GPU-0", 80 * kGib), Pair("GPU-2", 78 * kGib)));
  EXPECT_THAT(GpuMemory("libno-such-thing.so").FreeBytes(), IsEmpty());
}

TEST(NvmlTest, FindsNothingWithoutTheLibrary) { EXPECT_THAT(FindGpus("libno-such-thing.so"), IsEmpty()); }

TEST(CpuTest, IsDescribed) {
  const Device cpu = DescribeCpu();
  EXPECT_EQ(cpu.name, "cpu");
  EXPECT_FALSE(cpu.model.empty());
  EXPECT_GT(cpu.memory_bytes, int64_t{64} << 20);
}

class SchedulerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(folder_ / "pivot.db"));
    scheduler_.emplace(Scheduler::Parts{.store = store_.get(),
                                        .executor = &executor_,
                                        .timers = &timers_,
                                        .gauge = &gauge_,
                                        .health = &health_,
                                        .policy = {},
                                        .start =
                                            [this](const Assignment& assignment) {
                                              const std::lock_guard lock(mutex_);
                                              started_.push_back(assignment);
                                            },
                                        .preempt = [](const std::string&, int) {},
                                        .written_bytes = [](const std::string&) { return int64_t{0}; }});
  }
  void TearDown() override { executor_.Stop(); }

  std::string Create(const std::string& device, const std::string& project = "p") {
    NewJob job{.project = project, .max_queued = 100};
    job.spec.set_device(device);
    return store_->CreateJob(job).value_or("");
  }
  std::vector<std::string> Started() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> uids;
    for (const Assignment& assignment : started_) uids.push_back(assignment.key.job_uid);
    return uids;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
  Executor executor_{2};
  TimerQueue timers_;
  DeviceHealth health_;
  RoomGauge gauge_{{Gpu(0), Cpu()},
                   {.gpu_free_bytes = [] { return std::map<std::string, int64_t>(); },
                    .disk_free_bytes = [] { return 100 * kGib; }}};
  std::mutex mutex_;
  std::vector<Assignment> started_;
  std::optional<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, GivesOutEveryFreeDeviceOnce) {
  const std::string first = Create("auto");
  const std::string second = Create("auto");
  const std::string third = Create("cpu");
  for (int i = 0; i < 10; ++i) scheduler_->Kick();
  EXPECT_TRUE(Eventually([&] { return Started().size() == 2; }));
  scheduler_->Kick();
  scheduler_->Stop();
  EXPECT_THAT(Started(), ElementsAre(first, third));
  EXPECT_EQ(store_->ReadJobHead(second)->state, v1::STATE_QUEUED);
}

TEST_F(SchedulerTest, SharesADeviceBetweenProjects) {
  const std::string first = Create("auto", "busy");
  const std::string second = Create("auto", "busy");
  const std::string other = Create("auto", "other");
  scheduler_->Kick();
  EXPECT_TRUE(Eventually([&] { return Started().size() == 1; }));
  ASSERT_OK(store_->EndAttempt(started_[0].key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED}));
  scheduler_->Kick();
  EXPECT_TRUE(Eventually([&] { return Started().size() == 2; }));
  scheduler_->Stop();
  EXPECT_THAT(Started(), ElementsAre(first, other));
  EXPECT_EQ(store_->ReadJobHead(second)->state, v1::STATE_QUEUED);
}

TEST_F(SchedulerTest, SaysWhyAJobWaits) {
  NewJob job{.project = "p", .max_queued = 100};
  job.spec.set_device("cpu");
  job.plan.emplace().set_disk_bytes(200 * kGib);
  const std::string uid = store_->CreateJob(job).value_or("");
  const std::string running = Create("auto");
  const std::string waiting = Create("auto");
  const AttemptKey key = store_->Claim(store_->ReadQueue()->at(1), "GPU-0", "cuda:0").value_or(AttemptKey{});
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("WORKER_CRASHED"),
                               {.to = v1::STATE_QUEUED, .reason = "WORKER_CRASHED"}));
  scheduler_->Kick();
  const auto reason = [&](const std::string& of) { return store_->ReadJob(of)->job.state_reason(); };
  EXPECT_TRUE(Eventually([&] { return reason(uid) == "WAITING_FOR_DISK"; }));
  scheduler_->Stop();
  EXPECT_THAT(Started(), ElementsAre(running));
  EXPECT_EQ(reason(waiting), "WAITING_FOR_DEVICE");
}

TEST_F(SchedulerTest, GivesOutNothingOnceStopped) {
  scheduler_->Stop();
  Create("auto");
  scheduler_->Kick();
  executor_.Stop();
  EXPECT_THAT(Started(), IsEmpty());
}

}  // namespace
}  // namespace pivot
