// SPDX-License-Identifier: Apache-2.0
// From submission to the end, as a client sees it.
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "tests/server/running_server.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class LifeOfAJobTest : public ::testing::Test {
 protected:
  RunningServer server_;
};

TEST_F(LifeOfAJobTest, RunsToSuccessWithACheckpoint) {
  server_.Start();
  const v1::Job created = server_.Create(server_.CompressRequest("first"));
  EXPECT_EQ(created.name(), "projects/test/jobs/first");
  EXPECT_EQ(created.plan().num_blocks(), 2);
  const std::vector<v1::JobEvent> events = server_.Watch(created.name());
  EXPECT_THAT(StatesIn(events), ElementsAre("QUEUED", "RUNNING", "SUCCEEDED"));
  EXPECT_EQ(Sequence(events), Counting(1, events.back().seq()));
  const v1::Job job = server_.Get(created.name());
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.state_reason(), "");
  EXPECT_EQ(job.last_seq(), events.back().seq());
  EXPECT_EQ(job.attempt(), 1);
  ASSERT_THAT(job.attempts(), SizeIs(1));
  EXPECT_EQ(job.attempts(0).cause(), "DONE");
  EXPECT_EQ(job.attempts(0).device(), "cpu");
  ASSERT_THAT(job.checkpoints(), SizeIs(1));
  EXPECT_EQ(job.checkpoints(0).name(), "projects/test/jobs/first/checkpoints/0");
  EXPECT_EQ(job.checkpoints(0).bits_per_weight(), 4.25);
  EXPECT_FALSE(job.has_progress());
  EXPECT_FALSE(job.has_error());
  EXPECT_LE(job.create_time().seconds(), job.start_time().seconds());
  EXPECT_LE(job.start_time().seconds(), job.end_time().seconds());
}

TEST_F(LifeOfAJobTest, TellsWhatTheWorkerDoesInOrder) {
  server_.Start();
  const std::vector<v1::JobEvent> events = server_.Watch(server_.Create(server_.CompressRequest()).name());
  std::string story;
  for (const v1::JobEvent& event : events) {
    if (event.seq() == 0) continue;
    const auto* field = event.GetDescriptor()->FindFieldByNumber(event.event_case());
    story += field->name() + " ";
  }
  EXPECT_EQ(
      story,
      "state_changed state_changed attempt_started stage_started block_done block_done stage_done checkpoint_published "
      "attempt_ended state_changed ");
}

TEST_F(LifeOfAJobTest, RemovesTheStagingFolderAfterSuccess) {
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(server_.data() + "/staging/" + job.uid()); }));
}

TEST_F(LifeOfAJobTest, KeepsAResult) {
  server_.SetScript(
      {{{"send", "Done"},
        {"payload",
         {{"result", {{"generation", {{"text", "hello"}, {"token_ids", {1, 2}}, {"finish_reason", "eos"}}}}}}}}});
  server_.Start();
  v1::CreateJobRequest request;
  request.set_parent(kProject);
  request.mutable_job()->mutable_spec()->mutable_generate()->mutable_source()->set_path(server_.model());
  request.mutable_job()->mutable_spec()->mutable_generate()->set_prompt("x");
  const v1::Job job = server_.AwaitEnd(server_.Create(request).name());
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.result().generation().text(), "hello");
  EXPECT_FALSE(job.has_plan());
}

TEST_F(LifeOfAJobTest, GivesTheWorkerACleanWorld) {
  const std::string record = server_.folder() / "record";
  server_.SetScript({{{"record", record}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.options.environment.push_back("LD_PRELOAD_NOT=1");
  server_.options.environment.push_back("PIVOT_TOKEN=secret");
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest("clean");
  const v1::Job job = server_.AwaitEnd(server_.Create(request).name());
  ASSERT_EQ(job.state(), v1::STATE_SUCCEEDED);
  const json seen = json::parse(ReadSmallFile(record, 1 << 20).value());
  EXPECT_EQ(seen["start"]["job"], job.name());
  EXPECT_EQ(seen["start"]["uid"], job.uid());
  EXPECT_EQ(seen["start"]["attempt"], 1);
  EXPECT_EQ(seen["start"]["resume"], false);
  EXPECT_EQ(seen["start"]["spec"]["device"], "cpu");
  const auto environment = seen["environment"].get<std::vector<std::string>>();
  EXPECT_THAT(environment, Contains("CUDA_VISIBLE_DEVICES="));
  EXPECT_THAT(environment, Contains(HasSubstr("LD_LIBRARY_PATH=" PIVOT_FAKE_TORCH_LIB)));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("secret"))));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("LD_PRELOAD"))));
  // 0 to 2, the socket, the staging folder, and the one that lists them.
  EXPECT_THAT(seen["descriptors"], SizeIs(::testing::Le(6)));
}

TEST_F(LifeOfAJobTest, GivesAGpuJobItsGpu) {
  const std::string record = server_.folder() / "record";
  server_.SetScript({{{"record", record}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.options.devices =
      std::vector<Device>{{.name = "cuda:0", .uuid = "GPU-a"}, {.name = "cuda:1", .uuid = "GPU-b"}, {.name = "cpu"}};
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->set_device("cuda:1");
  const v1::Job job = server_.AwaitEnd(server_.Create(request).name());
  EXPECT_EQ(job.attempts(0).device(), "cuda:1");
  const json seen = json::parse(ReadSmallFile(record, 1 << 20).value());
  EXPECT_EQ(seen["start"]["spec"]["device"], "cuda:0");
  EXPECT_THAT(seen["environment"].get<std::vector<std::string>>(), Contains("CUDA_VISIBLE_DEVICES=GPU-b"));
}

TEST_F(LifeOfAJobTest, RunsOneJobADeviceInOrderOfPriority) {
  server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string first = server_.Create(server_.CompressRequest()).name();
  server_.AwaitState(first, v1::STATE_RUNNING);
  const std::string low = server_.Create(server_.CompressRequest("low")).name();
  v1::CreateJobRequest urgent = server_.CompressRequest("urgent");
  urgent.mutable_job()->mutable_spec()->set_priority(90);
  const std::string high = server_.Create(urgent).name();
  EXPECT_EQ(server_.Get(high).state(), v1::STATE_QUEUED);
  EXPECT_EQ(server_.Get(high).state_reason(), "WAITING_FOR_DEVICE");
  server_.Open("go");
  const v1::Job after = server_.AwaitEnd(low);
  const v1::Job before = server_.AwaitEnd(high);
  EXPECT_LT(before.start_time().seconds() * 1000000000 + before.start_time().nanos(),
            after.start_time().seconds() * 1000000000 + after.start_time().nanos());
}

TEST_F(LifeOfAJobTest, ShowsProgressWhileItRuns) {
  server_.SetScript({{{"send", "Progress"}, {"payload", {{"stage", "layerwise"}, {"done", 3}, {"total", 30}}}},
                     {{"await_file", server_.Gate("go")}},
                     {{"pivot", json::object()}},
                     {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).progress().done() == 3; }));
  server_.Open("go");
  EXPECT_FALSE(server_.AwaitEnd(name).has_progress());
}

TEST_F(LifeOfAJobTest, CancelsAQueuedJobAtOnce) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest()).name(), v1::STATE_RUNNING);
  const std::string waiting = server_.Create(server_.CompressRequest()).name();
  EXPECT_EQ(server_.Cancel(waiting).state(), v1::STATE_CANCELLED);
  EXPECT_EQ(server_.Cancel(waiting).state(), v1::STATE_CANCELLED) << "again changes nothing";
  EXPECT_THAT(StatesIn(server_.Watch(waiting)), ElementsAre("QUEUED", "CANCELLED"));
}

TEST_F(LifeOfAJobTest, AsksARunningWorkerToCancel) {
  server_.SetScript({{{"send", "StageStarted"}, {"payload", {{"stage", "x"}}}}, {{"wait", "Cancel"}}, {{"exit", 10}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).last_seq() >= 4; }));
  EXPECT_EQ(server_.Cancel(name).state(), v1::STATE_CANCELLING);
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_CANCELLED);
  EXPECT_EQ(job.attempts(0).cause(), "CANCELLED");
  EXPECT_EQ(job.attempts(0).exit_code(), 10);
  EXPECT_THAT(StatesIn(server_.Watch(name)), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "CANCELLED"));
  EXPECT_TRUE(std::filesystem::exists(server_.data() + "/staging/" + job.uid())) << "to be resumed";
}

TEST_F(LifeOfAJobTest, KillsAWorkerThatDoesNotHeedTheCancel) {
  server_.SetScript({{{"ignore_sigterm", true}}, {{"heartbeat", "working"}}, {{"hang", true}}});
  server_.options.watchdog.cancel_grace = std::chrono::milliseconds(100);
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitWorker(name);
  server_.Cancel(name);
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_CANCELLED);
  EXPECT_EQ(job.attempts(0).exit_signal(), 9);
}

TEST_F(LifeOfAJobTest, SucceedsWhenTheWorkerFinishesDespiteTheCancel) {
  server_.SetScript({{{"wait", "Cancel"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitWorker(name);
  server_.Cancel(name);
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_THAT(job.checkpoints(), SizeIs(1));
}

TEST_F(LifeOfAJobTest, ResumesInTheStagingFolderOfACancelledJob) {
  const std::string record = server_.folder() / "record";
  server_.SetScript({{{"write", "journal.jsonl"}, {"text", "{}\n"}},
                     {{"send", "StageStarted"}, {"payload", {{"stage", "x"}}}},
                     {{"wait", "Cancel"}},
                     {{"exit", 10}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).last_seq() >= 4; }));
  server_.Cancel(name);
  server_.AwaitEnd(name);
  server_.SetScript({{{"record", record}},
                     {{"send", "BlockDone"}, {"payload", {{"block", 0}, {"resumed", true}}}},
                     {{"pivot", json::object()}},
                     {{"send", "Done"}}});
  v1::CreateJobRequest request = server_.CompressRequest("resumed");
  request.set_resume_from(name);
  const v1::Job job = server_.AwaitEnd(server_.Create(request).name());
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.attempts(0).resumed_blocks(), 1);
  EXPECT_EQ(json::parse(ReadSmallFile(record, 1 << 20).value())["start"]["resume"], true);
}

TEST_F(LifeOfAJobTest, ListsJobsNewestFirst) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  for (const char* id : {"a", "b", "c"}) server_.Create(server_.CompressRequest(id));
  v1::ListJobsRequest request;
  request.set_parent(kProject);
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    ASSERT_TRUE(server_.jobs().ListJobs(&context, request, &response).ok());
    for (const v1::Job& job : response.jobs()) names.push_back(job.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("projects/test/jobs/c", "projects/test/jobs/b", "projects/test/jobs/a"));
  request.set_page_size(-1);
  grpc::ClientContext context;
  v1::ListJobsResponse response;
  EXPECT_EQ(FieldIn(server_.jobs().ListJobs(&context, request, &response)), "page_size");
}

TEST_F(LifeOfAJobTest, SaysWhatIsNotThere) {
  server_.Start();
  v1::GetJobRequest request;
  v1::Job job;
  request.set_name("projects/test/jobs/nothing");
  grpc::ClientContext first;
  const grpc::Status missing = server_.jobs().GetJob(&first, request, &job);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonIn(missing), "JOB_NOT_FOUND");
  request.set_name("../../etc");
  grpc::ClientContext second;
  const grpc::Status malformed = server_.jobs().GetJob(&second, request, &job);
  EXPECT_EQ(malformed.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldIn(malformed), "name");
}

}  // namespace
}  // namespace pivot
