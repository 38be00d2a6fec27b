// SPDX-License-Identifier: Apache-2.0
// Who runs when, as a client sees it.
#include <atomic>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "tests/server/running_server.h"
#include "tests/server/snapshot_builder.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class SchedulingTest : public ::testing::Test {
 protected:
  SchedulingTest() {
    server_.options.gpu_free_bytes = [this] { return std::map<std::string, int64_t>{{"GPU-0", gpu_free_bytes_}}; };
  }

  /// What the probe says of the model from now on.
  void Plan(const json& figures) {
    json plan = {{"status", "estimated"}, {"architecture", "llama"}, {"num_blocks", 2}};
    plan.update(figures);
    server_.folder().Write("model/fake_probe.json", json{{"answer", {{"plan", plan}}}}.dump());
  }
  std::string Submit(const std::string& device = "auto", int priority = 50) {
    v1::CreateJobRequest request = server_.CompressRequest();
    request.mutable_job()->mutable_spec()->set_device(device);
    request.mutable_job()->mutable_spec()->set_priority(priority);
    return server_.Create(request).name();
  }
  void AwaitReason(const std::string& name, const std::string& reason) {
    EXPECT_TRUE(Eventually([&] { return server_.Get(name).state_reason() == reason; }))
        << server_.Get(name).state_reason();
  }
  json Started() { return json::parse(ReadSmallFile(record_, 1 << 20).value())["start"]; }
  void SucceedFromNowOn() {
    server_.SetScript({{{"record", record_}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  }

  std::atomic<int64_t> gpu_free_bytes_ = 80 * kGib;
  RunningServer server_;
  std::string record_ = server_.folder() / "record";
};

TEST_F(SchedulingTest, WaitsUntilAnotherProgramLeavesTheGpu) {
  server_.options.devices = {NumberedGpu(0, 80 * kGib), NamedCpu()};
  Plan({{"peak_gpu_bytes", 60 * kGib}, {"least_gpu_bytes", 30 * kGib}});
  SucceedFromNowOn();
  gpu_free_bytes_ = 20 * kGib;
  server_.Start();
  const std::string name = Submit();
  AwaitReason(name, "WAITING_FOR_GPU_MEMORY");
  EXPECT_EQ(server_.Get(name).last_seq(), 1U) << "waiting is no event";
  gpu_free_bytes_ = 40 * kGib;
  Plan(json::object());
  Submit("cpu");  // for the scheduler to look
  EXPECT_EQ(server_.AwaitEnd(name).state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(server_.Get(name).attempts(0).device(), "cuda:0");
}

TEST_F(SchedulingTest, TellsTheWorkerWhatIsFree) {
  server_.options.devices = {NumberedGpu(0, 80 * kGib)};
  Plan({{"peak_gpu_bytes", 60 * kGib}, {"least_gpu_bytes", 30 * kGib}});
  SucceedFromNowOn();
  gpu_free_bytes_ = 40 * kGib;
  server_.Start();
  server_.AwaitEnd(Submit());
  EXPECT_EQ(Started()["gpu_memory_bytes"], 40 * kGib - kGpuSlackBytes);
}

TEST_F(SchedulingTest, WaitsForHostMemory) {
  server_.options.devices = {NumberedGpu(0), NamedCpu()};
  server_.options.job_memory_bytes = 100 * kGib;
  Plan({{"peak_host_bytes", 50 * kGib}});
  server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string first = Submit("cpu");
  server_.AwaitState(first, v1::STATE_RUNNING);
  const std::string second = Submit("cuda:0");
  AwaitReason(second, "WAITING_FOR_HOST_MEMORY");
  server_.Open("go");
  EXPECT_EQ(server_.AwaitEnd(second).state(), v1::STATE_SUCCEEDED);
}

TEST_F(SchedulingTest, ReservesDiskForJobsThatHaveNotWrittenYet) {
  server_.options.devices = {NumberedGpu(0), NamedCpu()};
  server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const auto free_bytes = static_cast<int64_t>(std::filesystem::space(server_.data()).available);
  Plan({{"disk_bytes", free_bytes / 10 * 6}});
  const std::string first = Submit("cpu");
  server_.AwaitState(first, v1::STATE_RUNNING);
  const std::string second = Submit("cuda:0");
  AwaitReason(second, "WAITING_FOR_DISK");
  server_.Open("go");
  EXPECT_EQ(server_.AwaitEnd(second).state(), v1::STATE_SUCCEEDED);
}

TEST_F(SchedulingTest, PreemptsAtABlockBoundaryAndGoesOnLater) {
  server_.options.policy.min_run_seconds = 0;
  server_.SetScript({{{"write", "journal.jsonl"}, {"text", "{}\n"}},
                     {{"send", "BlockDone"}, {"payload", {{"block", 0}}}},
                     {{"wait", "Cancel"}},
                     {{"exit", 10}}});
  server_.Start();
  const std::string patient = Submit();
  EXPECT_TRUE(Eventually([&] { return server_.Get(patient).last_seq() >= 4; }));
  SucceedFromNowOn();
  const std::string equal = Submit("auto", 59);
  const std::string urgent = Submit("auto", 60);
  const v1::Job first = server_.AwaitEnd(urgent);
  const v1::Job second = server_.AwaitEnd(patient);
  EXPECT_EQ(second.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(second.attempts(), SizeIs(2));
  EXPECT_EQ(second.attempts(0).cause(), "PREEMPTED");
  EXPECT_LE(first.attempts(0).end_time().seconds(), second.attempts(1).start_time().seconds());
  const auto events = server_.Watch(patient);
  EXPECT_THAT(StatesIn(events), ElementsAre("QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"));
  server_.AwaitEnd(equal);
}

TEST_F(SchedulingTest, LeavesAJobAloneThatHasJustBegun) {
  server_.SetScript({{{"heartbeat", "working"}},
                     {{"await_file", server_.Gate("go")}},
                     {{"pivot", json::object()}},
                     {{"send", "Done"}}});
  server_.Start();
  const std::string patient = Submit();
  server_.AwaitWorker(patient);
  const std::string urgent = Submit("auto", 100);
  AwaitReason(urgent, "WAITING_FOR_DEVICE");
  server_.Open("go");
  EXPECT_THAT(server_.AwaitEnd(patient).attempts(), SizeIs(1));
  server_.AwaitEnd(urgent);
}

TEST_F(SchedulingTest, LeavesAJobAloneThatHasPublished) {
  server_.options.policy.min_run_seconds = 0;
  // Were it asked to end, it would be killed before it is done.
  server_.options.watchdog.cancel_grace = std::chrono::milliseconds(20);
  server_.SetScript({{{"pivot", json::object()}}, {{"sleep", 0.5}}, {{"send", "Done"}}});
  server_.Start();
  const std::string patient = Submit();
  EXPECT_TRUE(Eventually([&] { return server_.Get(patient).checkpoints_size() == 1; }));
  const std::string urgent = Submit("auto", 100);
  const v1::Job job = server_.AwaitEnd(patient);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_THAT(job.attempts(), SizeIs(1));
  server_.AwaitEnd(urgent);
}

TEST_F(SchedulingTest, PreemptsAJobThatMakesWhatItPublishedBetter) {
  server_.options.policy.min_run_seconds = 0;
  server_.options.watchdog.cancel_grace = std::chrono::milliseconds(20);
  server_.SetScript({{{"pivot", json::object()}}, {{"sleep", 20}}, {{"send", "Done"}}});
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->mutable_compress()->mutable_refine()->set_stages(v1::REFINE_STAGES_GLOBAL);
  const std::string patient = server_.Create(request).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(patient).checkpoints_size() == 1; }));
  SucceedFromNowOn();
  const std::string urgent = Submit("auto", 100);
  EXPECT_EQ(server_.AwaitEnd(urgent).state(), v1::STATE_SUCCEEDED);
  const v1::Job job = server_.AwaitEnd(patient);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_THAT(job.attempts(), SizeIs(2));
  EXPECT_THAT(job.checkpoints(), SizeIs(1)) << "the one that was published stays";
}

TEST_F(SchedulingTest, TriesOnceMoreWithLessOnAGpuThatWasTooSmall) {
  server_.options.devices = {NumberedGpu(0, 80 * kGib)};
  Plan({{"peak_gpu_bytes", 60 * kGib}, {"least_gpu_bytes", 30 * kGib}});
  server_.SetScript(
      {{{"attempt", 1}, {"exit", 30}}, {{"record", record_}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const v1::Job job = server_.AwaitEnd(Submit());
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(job.attempts(), SizeIs(2));
  EXPECT_EQ(job.attempts(0).cause(), "GPU_OUT_OF_MEMORY");
  EXPECT_FALSE(job.attempts(0).offloads());
  EXPECT_TRUE(job.attempts(1).offloads());
  EXPECT_EQ(Started()["gpu_memory_bytes"], 1);
}

TEST_F(SchedulingTest, FailsWhenLessWasNotEnoughOrIsNotToBeHad) {
  server_.options.devices = {NumberedGpu(0, 80 * kGib)};
  server_.SetScript({{{"exit", 30}}});
  server_.Start();
  Plan({{"peak_gpu_bytes", 60 * kGib}, {"least_gpu_bytes", 30 * kGib}});
  const v1::Job twice = server_.AwaitEnd(Submit());
  EXPECT_EQ(twice.state(), v1::STATE_FAILED);
  EXPECT_EQ(twice.state_reason(), "GPU_OUT_OF_MEMORY");
  EXPECT_THAT(twice.attempts(), SizeIs(2));
  Plan({{"peak_gpu_bytes", 30 * kGib}, {"least_gpu_bytes", 30 * kGib}});
  EXPECT_THAT(server_.AwaitEnd(Submit()).attempts(), SizeIs(1));
}

TEST_F(SchedulingTest, SetsAsideAGpuWhereWorkersOfSeveralJobsCrash) {
  server_.options.devices = {NumberedGpu(0, 80 * kGib), NamedCpu()};
  server_.SetScript({{{"signal", 11}}});
  server_.Start();
  EXPECT_EQ(server_.AwaitEnd(Submit("cuda:0")).state(), v1::STATE_FAILED) << "it may be the job";
  const auto gpu = [&] {
    grpc::ClientContext context;
    v1::ServerCapabilities capabilities;
    EXPECT_TRUE(server_.capabilities().GetCapabilities(&context, {}, &capabilities).ok());
    return capabilities.devices(0);
  };
  EXPECT_EQ(gpu().set_aside_cause(), "");
  const std::string second = Submit("cuda:0");
  EXPECT_TRUE(Eventually([&] { return gpu().set_aside_cause() == "WORKER_CRASHED"; }));
  EXPECT_GT(gpu().set_aside_until().seconds(), absl::ToUnixSeconds(absl::Now() + absl::Minutes(29)));
  SucceedFromNowOn();
  EXPECT_EQ(server_.AwaitEnd(Submit("cpu")).state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(server_.Get(second).state(), v1::STATE_QUEUED) << "it waits for the GPU";
  EXPECT_EQ(server_.Get(second).attempts_size(), 1);
}

TEST_F(SchedulingTest, TriesADeviceAgainAfterItsRest) {
  server_.options.devices = {NumberedGpu(0, 80 * kGib)};
  server_.options.health = {.jobs = 1, .rest = absl::Milliseconds(50), .longest_rest = absl::Milliseconds(50)};
  server_.SetScript({{{"attempt", 1}, {"signal", 11}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const v1::Job job = server_.AwaitEnd(Submit());
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED) << "nobody else woke the scheduler";
  EXPECT_THAT(job.attempts(), SizeIs(2));
}

}  // namespace
}  // namespace pivot
