// SPDX-License-Identifier: Apache-2.0
// Everything that can be wrong with a worker harms its own job at most.
#include <csignal>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/server/running_server.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class WorkerFaultsTest : public ::testing::Test {
 protected:
  v1::Job RunToEnd(const json& script) {
    server_.SetScript(script);
    server_.Start();
    return server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  }

  void ExpectThreeCrashes(const v1::Job& job, const std::string& cause, const std::string& words) {
    EXPECT_EQ(job.state(), v1::STATE_FAILED);
    EXPECT_EQ(job.state_reason(), cause);
    EXPECT_EQ(ReasonIn(job.error()), cause);
    EXPECT_THAT(job.error().message(), HasSubstr(words));
    ASSERT_THAT(job.attempts(), SizeIs(3));
    for (const v1::Attempt& attempt : job.attempts()) EXPECT_EQ(attempt.cause(), cause);
    EXPECT_THAT(StatesIn(server_.Watch(job.name())),
                ElementsAre("QUEUED", "RUNNING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "FAILED"));
  }

  /// The server is as well as before: the next job succeeds.
  void ExpectHealthy() {
    server_.SetScript({{{"pivot", json::object()}}, {{"send", "Done"}}});
    EXPECT_EQ(server_.AwaitEnd(server_.Create(server_.CompressRequest()).name()).state(), v1::STATE_SUCCEEDED);
  }

  RunningServer server_;
};

TEST_F(WorkerFaultsTest, RetriesACrashTwiceThenGivesUp) {
  const v1::Job job = RunToEnd({{{"print", "about to crash"}}, {{"signal", SIGSEGV}}});
  ExpectThreeCrashes(job, "WORKER_CRASHED", "signal 11");
  EXPECT_EQ(job.attempts(2).exit_signal(), SIGSEGV);
  EXPECT_EQ(job.attempts(2).number(), 3);
  EXPECT_EQ(job.attempts(2).log_tail(), "about to crash\n") << "of this attempt alone";
  EXPECT_TRUE(std::filesystem::exists(server_.data() + "/logs/" + job.uid() + "/3"));
  EXPECT_TRUE(std::filesystem::exists(server_.data() + "/staging/" + job.uid())) << "to be resumed";
  ExpectHealthy();
}

TEST_F(WorkerFaultsTest, GoesOnAfterACrash) {
  const v1::Job job = RunToEnd({{{"heartbeat", "working"}},
                                {{"send", "BlockDone"}, {"payload", {{"block", 0}}}},
                                {{"attempt", 1}, {"exit", 77}},
                                {{"pivot", json::object()}},
                                {{"send", "Done"}}});
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(job.attempts(), SizeIs(2));
  EXPECT_EQ(job.attempts(0).cause(), "WORKER_CRASHED");
  EXPECT_EQ(job.attempts(0).exit_code(), 77);
  EXPECT_EQ(job.attempts(1).cause(), "DONE");
  const std::vector<v1::JobEvent> events = server_.Watch(job.name());
  EXPECT_EQ(Sequence(events), Counting(1, job.last_seq()));
}

TEST_F(WorkerFaultsTest, GoesOnAfterACrashThatFollowedThePublication) {
  const v1::Job job =
      RunToEnd({{{"pivot", json::object()}}, {{"attempt", 1}, {"signal", SIGKILL}}, {{"send", "Done"}}});
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_THAT(job.attempts(), SizeIs(2));
  EXPECT_THAT(job.checkpoints(), SizeIs(1)) << "published once";
}

TEST_F(WorkerFaultsTest, RecordsPeakMemory) {
  const v1::Job job =
      RunToEnd({{{"send", "Heartbeat"}, {"payload", {{"phase", 1}, {"peak_host_bytes", 500}, {"peak_gpu_bytes", 70}}}},
                {{"send", "Heartbeat"}, {"payload", {{"phase", 2}, {"peak_host_bytes", 400}, {"peak_gpu_bytes", 90}}}},
                {{"pivot", json::object()}},
                {{"send", "Done"}}});
  EXPECT_EQ(job.attempts(0).peak_host_bytes(), 500);
  EXPECT_EQ(job.attempts(0).peak_gpu_bytes(), 90);
}

TEST_F(WorkerFaultsTest, StopsAWorkerThatMakesNoProgress) {
  server_.options.watchdog.stuck = std::chrono::milliseconds(200);
  const v1::Job job = RunToEnd({{{"heartbeat", "steady"}}, {{"hang", true}}});
  ExpectThreeCrashes(job, "WORKER_STUCK", "no progress");
  EXPECT_EQ(job.attempts(0).exit_signal(), SIGTERM);
}

TEST_F(WorkerFaultsTest, KillsASilentWorkerThatIgnoresSigterm) {
  server_.options.watchdog.silence = std::chrono::milliseconds(300);
  server_.options.watchdog.terminate_grace = std::chrono::milliseconds(100);
  const v1::Job job = RunToEnd({{{"ignore_sigterm", true}}, {{"hang", true}}});
  ExpectThreeCrashes(job, "WORKER_CRASHED", "sent nothing");
  EXPECT_EQ(job.attempts(0).exit_signal(), SIGKILL);
}

TEST_F(WorkerFaultsTest, CountsAnUnknownFrameVersionAsACrash) {
  ExpectThreeCrashes(RunToEnd({{{"raw", "020066000000000002000000000000007b7d"}}, {{"hang", true}}}), "WORKER_CRASHED",
                     "broke the protocol");
  ExpectHealthy();
}

TEST_F(WorkerFaultsTest, CountsAGapInTheNumbersAsACrash) {
  ExpectThreeCrashes(RunToEnd({{{"raw", "010066000000000009000000000000007b7d"}}, {{"hang", true}}}), "WORKER_CRASHED",
                     "frames are missing");
}

TEST_F(WorkerFaultsTest, CountsAValueOfTheWrongTypeAsACrash) {
  ExpectThreeCrashes(RunToEnd({{{"send", "BlockDone"}, {"payload", {{"block", "three"}}}}, {{"hang", true}}}),
                     "WORKER_CRASHED", "block must be a whole number");
}

TEST_F(WorkerFaultsTest, CountsAFrameBeforeHelloAsACrash) {
  ExpectThreeCrashes(RunToEnd({{{"no_hello", true}}, {{"send", "StageStarted"}}, {{"hang", true}}}), "WORKER_CRASHED",
                     "not Hello");
}

TEST_F(WorkerFaultsTest, DoesNotBelieveDoneWithoutACheckpoint) {
  ExpectThreeCrashes(RunToEnd({{{"send", "Done"}}, {{"sleep", 0.01}}}), "WORKER_CRASHED",
                     "without having staged a pivot");
}

TEST_F(WorkerFaultsTest, IgnoresFramesOfANewerWorker) {
  EXPECT_EQ(RunToEnd({{{"send", 250}, {"payload", {{"new", true}}}}, {{"pivot", json::object()}}, {{"send", "Done"}}})
                .state(),
            v1::STATE_SUCCEEDED);
}

TEST_F(WorkerFaultsTest, ShowsTheWorkersOwnError) {
  const v1::Job job = RunToEnd({{{"send", "Error"},
                                 {"payload",
                                  {{"code", "INTERNAL"},
                                   {"reason", "HESSIAN_NOT_POSITIVE_DEFINITE"},
                                   {"message", "layer 3: increase percdamp"},
                                   {"retryable", false}}}},
                                {{"exit", 21}}});
  EXPECT_EQ(job.state(), v1::STATE_FAILED);
  EXPECT_EQ(job.state_reason(), "HESSIAN_NOT_POSITIVE_DEFINITE");
  EXPECT_EQ(ReasonIn(job.error()), "HESSIAN_NOT_POSITIVE_DEFINITE");
  EXPECT_EQ(job.error().message(), "layer 3: increase percdamp");
  EXPECT_EQ(job.error().code(), 13);
  ASSERT_THAT(job.attempts(), SizeIs(1));
  EXPECT_EQ(job.attempts(0).cause(), "NUMERICAL_FAILURE");
  EXPECT_EQ(job.attempts(0).exit_code(), 21);
}

TEST_F(WorkerFaultsTest, RetriesADeviceFault) {
  const v1::Job job = RunToEnd({{{"attempt", 1}, {"exit", 32}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.attempts(0).cause(), "DEVICE_FAULT");
}

TEST_F(WorkerFaultsTest, KillsAWorkerThatDoesNotEndAfterDone) {
  server_.options.watchdog.terminate_grace = std::chrono::milliseconds(100);
  const v1::Job job =
      RunToEnd({{{"ignore_sigterm", true}}, {{"pivot", json::object()}}, {{"send", "Done"}}, {{"hang", true}}});
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.attempts(0).exit_signal(), SIGKILL);
}

TEST_F(WorkerFaultsTest, FailsAJobWhoseFolderCannotBePublished) {
  const v1::Job job = RunToEnd({{{"write", "pivot-0/config.json"}, {"text", "{}"}},
                                {{"write", "pivot-0/stray.py"}, {"text", "import os"}},
                                {{"write", "pivot-0.files.json"},
                                 {"text", R"({"schema": 1, "files": [{"path": "config.json", "pieces": [0]}]})"}},
                                {{"stage_pivot", json::object()}}});
  EXPECT_EQ(job.state(), v1::STATE_FAILED);
  EXPECT_EQ(ReasonIn(job.error()), "BAD_STAGED_FOLDER");
  EXPECT_THAT(job.error().message(), HasSubstr("stray.py"));
  EXPECT_THAT(job.attempts(), SizeIs(1));
  EXPECT_THAT(job.checkpoints(), SizeIs(0));
  EXPECT_TRUE(std::filesystem::is_empty(server_.data() + "/objects"));
  ExpectHealthy();
}

TEST_F(WorkerFaultsTest, FailsAJobWhenTorchIsNotThere) {
  server_.options.environment = {"PATH=/bin"};
  const v1::Job job = RunToEnd(json::array());
  EXPECT_EQ(job.state(), v1::STATE_FAILED);
  EXPECT_EQ(ReasonIn(job.error()), "TORCH_NOT_FOUND");
  EXPECT_THAT(job.error().message(), HasSubstr("PIVOT_TORCH_LIB"));
  EXPECT_THAT(job.error().message(), HasSubstr(server_.options.torch_path_file));
}

TEST_F(WorkerFaultsTest, SweepsWhatTheWorkerLeavesRunning) {
  // A group of its own lets the server end the worker's children with it.
  const v1::Job job = RunToEnd({{{"pivot", json::object()}}, {{"send", "Done"}}});
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  grpc::ClientContext context;
  v1::ServerCapabilities capabilities;
  ASSERT_TRUE(server_.capabilities().GetCapabilities(&context, {}, &capabilities).ok());
  EXPECT_EQ(capabilities.devices(0).job(), "") << "the device is free again";
}

}  // namespace
}  // namespace pivot
