// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/scheduler.h"

#include <mutex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/scheduler/choice.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Device Cpu() { return {.name = "cpu"}; }
Device Gpu(int index) { return {.name = "cuda:" + std::to_string(index), .uuid = "GPU-" + std::to_string(index)}; }
QueuedJob Wants(const std::string& uid, const std::string& device) { return {.uid = uid, .device = device}; }

std::string Chosen(const std::optional<Choice>& choice) {
  return choice.has_value() ? choice->job.uid + "@" + choice->device.name : "none";
}

TEST(ChoiceTest, TakesTheFirstJobThatFits) {
  const std::vector<QueuedJob> queue = {Wants("a", "auto"), Wants("b", "auto")};
  EXPECT_EQ(Chosen(ChooseNext(queue, {Cpu()}, {})), "a@cpu");
  EXPECT_EQ(Chosen(ChooseNext({}, {Cpu()}, {})), "none");
}

TEST(ChoiceTest, PutsAutoOnGpusWhereThereAreAny) {
  const std::vector<Device> devices = {Gpu(0), Gpu(1), Cpu()};
  EXPECT_EQ(Chosen(ChooseNext({Wants("a", "auto")}, devices, {})), "a@cuda:0");
  EXPECT_EQ(Chosen(ChooseNext({Wants("a", "auto")}, devices, {"GPU-0"})), "a@cuda:1");
  EXPECT_EQ(Chosen(ChooseNext({Wants("a", "auto")}, devices, {"GPU-0", "GPU-1"})), "none") << "not on the CPU instead";
}

TEST(ChoiceTest, PassesOverAJobWhoseDeviceIsTaken) {
  const std::vector<QueuedJob> queue = {Wants("a", "cuda:1"), Wants("b", "cpu"), Wants("c", "cuda:0")};
  const std::vector<Device> devices = {Gpu(0), Gpu(1), Cpu()};
  EXPECT_EQ(Chosen(ChooseNext(queue, devices, {"GPU-1"})), "b@cpu");
  EXPECT_EQ(Chosen(ChooseNext(queue, devices, {"GPU-1", "cpu"})), "c@cuda:0");
}

TEST(ChoiceTest, RefusesADeviceThatIsNotThere) {
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
    scheduler_.emplace(store_.get(), &executor_, &timers_, std::vector<Device>{Gpu(0), Cpu()},
                       [this](const Assignment& assignment) {
                         const std::lock_guard lock(mutex_);
                         started_.push_back(assignment);
                       });
  }
  void TearDown() override { executor_.Stop(); }

  std::string Create(const std::string& device) {
    NewJob job{.project = "p", .max_queued = 100};
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

TEST_F(SchedulerTest, GivesOutNothingOnceStopped) {
  scheduler_->Stop();
  Create("auto");
  scheduler_->Kick();
  executor_.Stop();
  EXPECT_THAT(Started(), IsEmpty());
}

}  // namespace
}  // namespace pivot
