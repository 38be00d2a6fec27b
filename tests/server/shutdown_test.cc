// SPDX-License-Identifier: Apache-2.0
// Starting and stopping.
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/status/reason.h"
#include "tests/server/running_server.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ShutdownTest : public ::testing::Test {
 protected:
  /// What starting a server with these options comes to.
  absl::Status StartStatus(const ServerOptions& options) { return Server::Start(options).status(); }

  RunningServer server_;
};

TEST_F(ShutdownTest, EndsStreamsWithARetry) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  v1::WatchJobRequest request;
  request.set_name(server_.Create(server_.CompressRequest()).name());
  server_.AwaitState(request.name(), v1::STATE_RUNNING);
  grpc::ClientContext context;
  const auto reader = server_.jobs().WatchJob(&context, request);
  v1::JobEvent event;
  ASSERT_TRUE(reader->Read(&event));
  std::thread stopper([&] { server_.server().Shutdown(); });
  std::vector<std::string> states;
  while (reader->Read(&event)) {
    if (event.has_state_changed()) states.push_back(v1::State_Name(event.state_changed().to()));
  }
  const grpc::Status status = reader->Finish();
  stopper.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(status), "DRAINING");
  EXPECT_GT(RetryDelayIn(status), absl::ZeroDuration());
}

TEST_F(ShutdownTest, EndsAStreamThatNobodyReads) {
  server_.SetScript({{{"pivot", {{"files", {{"large.safetensors", 8 << 20}}}}}}, {{"send", "Done"}}});
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  grpc::ClientContext context;
  v1::ReadFileRequest request;
  request.set_checkpoint(job.checkpoints(0).name());
  request.set_path("large.safetensors");
  const auto reader = server_.checkpoints().ReadFile(&context, request);
  v1::ReadFileResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const auto begin = std::chrono::steady_clock::now();
  server_.server().Shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  while (reader->Read(&response)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

TEST_F(ShutdownTest, KillsAWorkerThatIgnoresSigterm) {
  server_.SetScript(
      {{{"ignore_sigterm", true}}, {{"send", "StageStarted"}, {"payload", {{"stage", "x"}}}}, {{"hang", true}}});
  server_.options.watchdog.terminate_grace = std::chrono::milliseconds(200);
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).last_seq() >= 4; }));
  server_.Stop();
  server_.SetScript({{{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.attempts(0).cause(), "SERVER_STOPPED");
  EXPECT_EQ(job.attempts(0).exit_signal(), 9);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
}

TEST_F(ShutdownTest, LeavesNoSocketBehind) {
  server_.Start();
  EXPECT_TRUE(std::filesystem::exists(server_.folder() / "socket"));
  server_.Stop();
  EXPECT_FALSE(std::filesystem::exists(server_.folder() / "socket"));
}

TEST_F(ShutdownTest, DoesNothingTheSecondTime) {
  server_.Start();
  server_.server().Shutdown();
  server_.server().Shutdown();
}

TEST_F(ShutdownTest, NeedsTheDataFolderForItself) {
  server_.Start();
  ServerOptions second = server_.options;
  second.listen = {"unix:" + server_.folder() / "other"};
  EXPECT_THAT(StartStatus(second), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(server_.data())));
}

TEST_F(ShutdownTest, NeedsItsAddressForItself) {
  server_.options.listen.push_back("127.0.0.1:0");
  server_.Start();
  ServerOptions second = server_.options;
  second.data_folder = server_.folder() / "other";
  second.listen = {server_.server().addresses()[1]};
  EXPECT_THAT(StartStatus(second), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(second.listen[0])));
  EXPECT_FALSE(std::filesystem::exists(second.data_folder)) << "nothing is left behind";
  second.listen = {"unix:" + server_.folder() / "socket"};
  EXPECT_EQ(ReasonOf(StartStatus(second)), "ADDRESS_IN_USE");
  EXPECT_FALSE(std::filesystem::exists(second.data_folder));
  EXPECT_EQ(server_.Create(server_.CompressRequest("still-here")).name(), "projects/test/jobs/still-here");
}

TEST_F(ShutdownTest, SaysWhatIsMissing) {
  ServerOptions options = server_.options;
  options.worker_program = "/nowhere/pivot-worker";
  EXPECT_THAT(StartStatus(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("--worker")));
  options = server_.options;
  options.probe_program = "/nowhere/pivot-probe";
  EXPECT_THAT(StartStatus(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("--probe")));
  options = server_.options;
  options.allow_paths = {"/nowhere"};
  EXPECT_THAT(StartStatus(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("--allow-path")));
  options = server_.options;
  options.environment.push_back("PIVOT_FAKE_PROBE=broken");
  EXPECT_EQ(ReasonOf(StartStatus(options)), "PROBE_FAILED");
  EXPECT_FALSE(std::filesystem::exists(server_.data())) << "nothing is left behind";
}

}  // namespace
}  // namespace pivot
