// SPDX-License-Identifier: Apache-2.0
// Jobs that are suspended, resumed and retried, as a client sees it.
#include <filesystem>
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SuspendAndRetryTest : public ::testing::Test {
 protected:
  grpc::Status Suspend(const std::string& name) {
    v1::SuspendJobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    return server_.jobs().SuspendJob(&context, request, &job_);
  }
  grpc::Status Resume(const std::string& name) {
    v1::ResumeJobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    return server_.jobs().ResumeJob(&context, request, &job_);
  }
  grpc::Status Retry(const std::string& name) {
    v1::RetryJobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    return server_.jobs().RetryJob(&context, request, &job_);
  }

  /// The first attempt finishes a block and then waits to be stopped, the second takes it over and ends well.
  void StopThenSucceed(const json& how_the_first_ends) {
    json script = {{{"attempt", 1}, {"write", "journal.jsonl"}, {"text", "{}\n"}},
                   {{"attempt", 1}, {"send", "BlockDone"}, {"payload", {{"block", 0}}}}};
    for (json step : how_the_first_ends) {
      step["attempt"] = 1;
      script.push_back(step);
    }
    script.push_back({{"record", record_}});
    script.push_back({{"send", "BlockDone"}, {"payload", {{"block", 0}, {"resumed", true}}}});
    script.push_back({{"pivot", json::object()}});
    script.push_back({{"send", "Done"}});
    server_.SetScript(script);
  }

  bool WasToldToResume() const { return json::parse(ReadSmallFile(record_, 1 << 20).value())["start"]["resume"]; }
  void AwaitBlock(const std::string& name) {
    EXPECT_TRUE(Eventually([&] { return server_.Get(name).last_seq() >= 4; }));
  }

  RunningServer server_;
  std::string record_ = server_.folder() / "record";
  v1::Job job_;  // the newest answer
};

TEST_F(SuspendAndRetryTest, SuspendsARunningJobAndGoesOnFromItsBlocks) {
  StopThenSucceed({{{"wait", "Cancel"}}, {{"exit", 10}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  AwaitBlock(name);
  ASSERT_TRUE(Suspend(name).ok());
  EXPECT_EQ(job_.state(), v1::STATE_SUSPENDING);
  const v1::Job suspended = server_.AwaitState(name, v1::STATE_SUSPENDED);
  EXPECT_EQ(suspended.attempts(0).cause(), "SUSPENDED");
  EXPECT_EQ(suspended.state_reason(), "SUSPEND_REQUESTED");
  EXPECT_TRUE(std::filesystem::exists(server_.data() + "/staging/" + suspended.uid() + "/journal.jsonl"));
  ASSERT_TRUE(Resume(name).ok());
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(job.attempts(), SizeIs(2));
  EXPECT_EQ(job.attempts(1).resumed_blocks(), 1);
  EXPECT_TRUE(WasToldToResume());
  const auto events = server_.Watch(name);
  EXPECT_THAT(StatesIn(events),
              ElementsAre("QUEUED", "RUNNING", "SUSPENDING", "SUSPENDED", "QUEUED", "RUNNING", "SUCCEEDED"));
  EXPECT_EQ(Sequence(events), Counting(1, job.last_seq()));
}

TEST_F(SuspendAndRetryTest, GivesTheDeviceOfASuspendedJobToTheNext) {
  server_.SetScript({{{"wait", "Cancel"}}, {{"exit", 10}}});
  server_.Start();
  const std::string first = server_.Create(server_.CompressRequest()).name();
  const std::string second = server_.Create(server_.CompressRequest()).name();
  server_.AwaitWorker(first);
  EXPECT_EQ(server_.Get(second).state(), v1::STATE_QUEUED);
  ASSERT_TRUE(Suspend(first).ok());
  server_.AwaitState(second, v1::STATE_RUNNING);
  EXPECT_EQ(server_.Get(first).state(), v1::STATE_SUSPENDED);
}

TEST_F(SuspendAndRetryTest, SuspendsAQueuedJobAtOnce) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest()).name(), v1::STATE_RUNNING);
  const std::string waiting = server_.Create(server_.CompressRequest()).name();
  ASSERT_TRUE(Suspend(waiting).ok());
  EXPECT_EQ(job_.state(), v1::STATE_SUSPENDED);
  ASSERT_TRUE(Resume(waiting).ok());
  EXPECT_EQ(job_.state(), v1::STATE_QUEUED);
  EXPECT_EQ(job_.attempt(), 0);
}

TEST_F(SuspendAndRetryTest, KillsAWorkerThatDoesNotHeedTheSuspend) {
  server_.SetScript({{{"ignore_sigterm", true}}, {{"heartbeat", "working"}}, {{"hang", true}}});
  server_.options.watchdog.cancel_grace = std::chrono::milliseconds(100);
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitWorker(name);
  ASSERT_TRUE(Suspend(name).ok());
  const v1::Job job = server_.AwaitState(name, v1::STATE_SUSPENDED);
  EXPECT_EQ(job.attempts(0).exit_signal(), 9);
  EXPECT_EQ(job.attempts(0).cause(), "SUSPENDED");
}

TEST_F(SuspendAndRetryTest, SucceedsWhenTheWorkerFinishesDespiteTheSuspend) {
  server_.SetScript({{{"wait", "Cancel"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitWorker(name);
  ASSERT_TRUE(Suspend(name).ok());
  EXPECT_EQ(server_.AwaitEnd(name).state(), v1::STATE_SUCCEEDED);
}

TEST_F(SuspendAndRetryTest, CancelsAJobThatIsSuspending) {
  server_.SetScript({{{"wait", "Cancel"}}, {{"await_file", server_.Gate("go")}}, {{"exit", 10}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitWorker(name);
  ASSERT_TRUE(Suspend(name).ok());
  const grpc::Status early = Resume(name);
  EXPECT_EQ(ReasonIn(early), "ILLEGAL_STATE");
  EXPECT_THAT(early.error_message(), HasSubstr(name + " is SUSPENDING"));
  EXPECT_EQ(server_.Cancel(name).state(), v1::STATE_CANCELLING);
  server_.Open("go");
  EXPECT_EQ(server_.AwaitEnd(name).state(), v1::STATE_CANCELLED);
}

TEST_F(SuspendAndRetryTest, StaysSuspendedOverARestart) {
  StopThenSucceed({{{"hang", true}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  AwaitBlock(name);
  ASSERT_TRUE(Suspend(name).ok());
  server_.Stop();
  server_.Start();
  const v1::Job found = server_.Get(name);
  EXPECT_EQ(found.state(), v1::STATE_SUSPENDED);
  EXPECT_EQ(found.attempts(0).cause(), "SERVER_STOPPED");
  ASSERT_TRUE(Resume(name).ok());
  EXPECT_EQ(server_.AwaitEnd(name).state(), v1::STATE_SUCCEEDED);
}

TEST_F(SuspendAndRetryTest, RetriesAFailedJobFromItsBlocks) {
  StopThenSucceed({{{"send", "Error"},
                    {"payload", {{"code", "RESOURCE_EXHAUSTED"}, {"reason", "DISK_FULL"}, {"message", "no room"}}}},
                   {{"exit", 33}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_EQ(server_.AwaitEnd(name).state(), v1::STATE_FAILED);
  const uint64_t seen = server_.Watch(name).back().seq();
  ASSERT_TRUE(Retry(name).ok());
  EXPECT_EQ(job_.state(), v1::STATE_QUEUED);
  EXPECT_FALSE(job_.has_error());
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(job.attempts(), SizeIs(2));
  EXPECT_EQ(job.attempts(0).cause(), "INPUT_OUTPUT_FAILED");
  EXPECT_TRUE(WasToldToResume());
  const auto events = server_.Watch(name);
  EXPECT_EQ(Sequence(events), Counting(1, job.last_seq())) << "a watch goes past the first end";
  EXPECT_EQ(Sequence(server_.Watch(name, seen)), Counting(seen + 1, job.last_seq()));
}

TEST_F(SuspendAndRetryTest, CountsCrashesAnewAfterARetry) {
  server_.SetScript({{{"signal", 11}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_THAT(server_.AwaitEnd(name).attempts(), SizeIs(3));
  ASSERT_TRUE(Retry(name).ok());
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_FAILED);
  EXPECT_THAT(job.attempts(), SizeIs(6));
}

TEST_F(SuspendAndRetryTest, KeepsThePublishedCheckpointOfARetriedJob) {
  server_.SetScript({{{"pivot", json::object()}},
                     {{"attempt", 1}, {"wait", "Cancel"}},
                     {{"attempt", 1}, {"exit", 10}},
                     {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).checkpoints_size() == 1; }));
  server_.Cancel(name);
  const v1::Job cancelled = server_.AwaitEnd(name);
  EXPECT_EQ(cancelled.state(), v1::STATE_CANCELLED);
  ASSERT_TRUE(Retry(name).ok());
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(job.checkpoints(), SizeIs(1));
  EXPECT_EQ(job.checkpoints(0).manifest_sha256(), cancelled.checkpoints(0).manifest_sha256());
}

TEST_F(SuspendAndRetryTest, StopsAnAttemptThatTakesTooLong) {
  StopThenSucceed({{{"heartbeat", "working"}}, {{"wait", "Cancel"}}, {{"exit", 10}}});
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->mutable_run_timeout()->set_nanos(300'000'000);
  const v1::Job failed = server_.AwaitEnd(server_.Create(request).name());
  EXPECT_EQ(failed.state(), v1::STATE_FAILED);
  EXPECT_EQ(failed.state_reason(), "RUN_TIMEOUT");
  EXPECT_EQ(ReasonIn(failed.error()), "RUN_TIMEOUT");
  EXPECT_THAT(failed.error().message(), HasSubstr("run_timeout of 300ms"));
  EXPECT_EQ(failed.attempts(0).cause(), "RUN_TIMEOUT");
  ASSERT_TRUE(Retry(failed.name()).ok());
  const v1::Job job = server_.AwaitEnd(failed.name());
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.attempts(1).resumed_blocks(), 1);
}

TEST_F(SuspendAndRetryTest, SaysWhichJobCannotBeSteered) {
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitEnd(name);
  for (const grpc::Status& status : {Suspend(name), Resume(name), Retry(name)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(ReasonIn(status), "ILLEGAL_STATE");
    EXPECT_THAT(status.error_message(), HasSubstr(name + " is SUCCEEDED"));
  }
  EXPECT_EQ(ReasonIn(Suspend("projects/test/jobs/nothing")), "JOB_NOT_FOUND");
  EXPECT_EQ(FieldIn(Retry("nothing")), "name");
}

}  // namespace
}  // namespace pivot
