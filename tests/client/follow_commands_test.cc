// SPDX-License-Identifier: Apache-2.0
// Commands that follow more than one job's events, or what a worker writes.
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/view/project_lines.h"
#include "tests/client/server_commands_fixture.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::JobEvent StateEvent(const std::string& job, uint64_t project_seq, v1::State state) {
  v1::JobEvent event;
  event.set_job("projects/default/jobs/" + job);
  event.set_seq(1);
  event.set_project_seq(project_seq);
  event.mutable_time()->set_seconds(1'785'067'200);
  event.mutable_state_changed()->set_to(state);
  return event;
}

TEST(ProjectLinesTest, ForgetsJobsThatHaveEnded) {
  ProjectLines lines(Detail::kNormal);
  EXPECT_EQ(lines.LineOf(StateEvent("a", 1, v1::STATE_RUNNING), absl::Now()), "12:00:00 a: running");
  EXPECT_EQ(lines.LineOf(StateEvent("b", 2, v1::STATE_QUEUED), absl::Now()), "12:00:00 b: queued");
  EXPECT_EQ(lines.num_jobs(), 2U);
  EXPECT_EQ(lines.LineOf(StateEvent("a", 3, v1::STATE_SUCCEEDED), absl::Now()), "12:00:00 a: succeeded");
  EXPECT_EQ(lines.num_jobs(), 1U);
}

class FollowCommandsTest : public CliTest {
 protected:
  ExitCode RunThere(std::vector<std::string> arguments, FakeMethods methods) {
    if (!methods.get_capabilities) methods.get_capabilities = DescribeServer;
    methods.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
      job->set_name(request.name());
      return grpc::Status::OK;
    };
    const FakeService service(std::move(methods));
    arguments.insert(arguments.end(), {"--server", service.address()});
    return Run(arguments);
  }

  /// A project's stream with two jobs, which is cut; Ctrl-C when it is opened again.
  FakeMethods TwoJobs() {
    return {.watch_jobs = [this](const v1::WatchJobsRequest& request, const auto& send) {
      watches_.push_back(request);
      if (watches_.size() > 1) {
        interrupt_.request_stop();
        return grpc::Status::OK;
      }
      send(StateEvent("a", 8, v1::STATE_QUEUED));
      send(StateEvent("b", 9, v1::STATE_RUNNING));
      v1::JobEvent event = StateEvent("a", 11, v1::STATE_UNSPECIFIED);
      event.mutable_warning()->set_reason("HOT");
      event.mutable_warning()->set_message("it is warm\x1b[2J");
      send(event);
      send(StateEvent("b", 12, v1::STATE_FAILED));
      event.clear_seq();
      event.set_project_seq(13);
      event.mutable_job_deleted()->set_uid("u");
      send(event);
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
    }};
  }

  FakeMethods Logs(std::vector<v1::LogChunk> chunks) {
    return {.stream_logs = [this, chunks = std::move(chunks)](const v1::StreamLogsRequest& request, const auto& send) {
      logs_.push_back(request);
      for (const v1::LogChunk& chunk : chunks) send(chunk);
      return grpc::Status::OK;
    }};
  }

  static v1::LogChunk Chunk(int64_t offset, int64_t skipped_bytes, const std::string& data) {
    v1::LogChunk chunk;
    chunk.set_attempt(2);
    chunk.set_offset(offset);
    chunk.set_skipped_bytes(skipped_bytes);
    chunk.set_data(data);
    return chunk;
  }

  std::vector<v1::WatchJobsRequest> watches_;
  std::vector<v1::StreamLogsRequest> logs_;
};

TEST_F(FollowCommandsTest, WatchAllPrintsALineForEachEventWithItsJob) {
  EXPECT_EQ(RunThere({"watch", "--all"}, TwoJobs()), ExitCode::kInterrupted) << err_;
  EXPECT_EQ(out_,
            "12:00:00 a: queued\n"
            "12:00:00 b: running\n"
            "12:00:00 a: warning: it is warm?[2J (HOT)\n"
            "12:00:00 b: failed\n"
            "12:00:00 a: deleted\n");
  EXPECT_THAT(err_, HasSubstr("trying again"));
  ASSERT_THAT(watches_, SizeIs(2));
  EXPECT_EQ(watches_[1].after_project_seq(), 13U);
  EXPECT_EQ(watches_[0].parent(), "projects/default");
  EXPECT_TRUE(watches_[0].from_now());
}

TEST_F(FollowCommandsTest, WatchAllBeginsBehindTheCursorGiven) {
  EXPECT_EQ(RunThere({"watch", "--all", "--after", "7", "--json"}, TwoJobs()), ExitCode::kInterrupted) << err_;
  EXPECT_EQ(watches_.at(0).after_project_seq(), 7U);
  EXPECT_FALSE(watches_.at(0).from_now());
  ASSERT_GE(Lines().size(), 4U);
  EXPECT_EQ(Lines()[0]["event"], "state_changed");
  EXPECT_EQ(Lines()[0]["project_seq"], 8);
  EXPECT_EQ(Lines()[1]["job"], "projects/default/jobs/b");
}

TEST_F(FollowCommandsTest, DevicesSayWhatIsSetAside) {
  const FakeMethods methods{.get_capabilities = [](const v1::GetCapabilitiesRequest&, v1::ServerCapabilities* answer) {
    v1::Device& device = *answer->add_devices();
    device.set_name("cuda:0");
    device.set_set_aside_cause("DEVICE_FAULT");
    device.mutable_set_aside_until()->set_seconds(45240);
    return grpc::Status::OK;
  }};
  EXPECT_EQ(RunThere({"devices"}, methods), ExitCode::kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("nobody until 12:34 UTC: DEVICE_FAULT"));
}

TEST_F(FollowCommandsTest, WatchAllAndAJobExcludeEachOther) {
  EXPECT_EQ(RunThere({"watch", "--all", "job-1"}, TwoJobs()), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"watch"}, TwoJobs()), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("which job?"));
  EXPECT_EQ(RunThere({"watch", "job-1", "--after", "7"}, TwoJobs()), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"watch", "--all", "--after", "-1"}, TwoJobs()), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--after is -1; allowed: 0"));
  EXPECT_THAT(watches_, IsEmpty());
}

TEST_F(FollowCommandsTest, WatchAllSaysWhatTheServerRefuses) {
  FakeMethods methods;
  methods.watch_jobs = [](const v1::WatchJobsRequest&, const auto&) {
    return StatusWithReason(grpc::StatusCode::OUT_OF_RANGE, "SEQ_FROM_FUTURE");
  };
  EXPECT_EQ(RunThere({"watch", "--all", "--after", "99", "--json"}, methods), ExitCode::kFailed);
  EXPECT_EQ(Lines().back()["error"]["reason"], "SEQ_FROM_FUTURE");
}

TEST_F(FollowCommandsTest, LogsPrintsWhatTheWorkerWrote) {
  EXPECT_EQ(RunThere({"logs", "job-1"}, Logs({Chunk(0, 0, "one\ntw"), Chunk(6, 0, "o\n")})), ExitCode::kDone) << err_;
  EXPECT_EQ(out_, "one\ntwo\n");
  ASSERT_THAT(logs_, SizeIs(1));
  EXPECT_EQ(logs_[0].name(), kFirstJob);
  EXPECT_EQ(logs_[0].attempt(), 0);
  EXPECT_TRUE(logs_[0].no_follow());
  EXPECT_EQ(RunThere({"logs", "job-1", "--follow", "--attempt", "2"}, Logs({})), ExitCode::kDone);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(logs_[1].attempt(), 2);
  EXPECT_FALSE(logs_[1].no_follow());
}

TEST_F(FollowCommandsTest, LogsMarksWhatIsNotKept) {
  const auto chunks = {Chunk(0, 0, "begin"), Chunk(12'345, 12'340, "end\n")};
  EXPECT_EQ(RunThere({"logs", "job-1"}, Logs(chunks)), ExitCode::kDone);
  EXPECT_EQ(out_, "begin\n[12,340 bytes are not kept]\nend\n");
  EXPECT_EQ(RunThere({"logs", "job-1", "--json"}, Logs(chunks)), ExitCode::kDone);
  ASSERT_THAT(Lines(), SizeIs(2));
  EXPECT_EQ(Lines()[1]["skipped_bytes"], 12'340);
  EXPECT_EQ(Lines()[1]["offset"], 12'345);
  EXPECT_EQ(Lines()[1]["attempt"], 2);
  EXPECT_EQ(Lines()[1]["text"], "end\n");
}

TEST_F(FollowCommandsTest, LogsDoesNotLetAWorkerSteerTheTerminal) {
  EXPECT_EQ(RunThere({"logs", "job-1"}, Logs({Chunk(0, 0, "a\x1b]0;x\x07\tb\rc\n")})), ExitCode::kDone);
  EXPECT_EQ(out_, "a?]0;x?\tb\nc\n");
  EXPECT_EQ(RunThere({"logs", "job-1", "--json"}, Logs({Chunk(0, 0, "\xff\n")})), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["text"], "\xEF\xBF\xBD\n");
}

TEST_F(FollowCommandsTest, LogsRefusesWhatIsNoAttempt) {
  EXPECT_EQ(RunThere({"logs", "job-1", "--attempt", "-1"}, Logs({})), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"logs", "job-1", "--attempt", "x"}, Logs({})), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"logs"}, Logs({})), ExitCode::kUsage);
  EXPECT_THAT(logs_, IsEmpty());
}

}  // namespace
}  // namespace pivot::client
