// SPDX-License-Identifier: Apache-2.0
// What workers write, as a client reads it.
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/server/running_server.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr int64_t kMany = 12'000'000;

struct Log {
  grpc::Status status;
  std::string text;
  int64_t skipped_bytes = 0;
  int64_t end = 0;
  int attempt = 0;
};

class StreamLogsTest : public ::testing::Test {
 protected:
  static v1::StreamLogsRequest RequestFor(const std::string& name, int attempt = 0, int64_t offset = 0) {
    v1::StreamLogsRequest request;
    request.set_name(name);
    request.set_attempt(attempt);
    request.set_offset(offset);
    return request;
  }

  Log Read(const v1::StreamLogsRequest& request) {
    grpc::ClientContext context;
    const auto reader = server_.jobs().StreamLogs(&context, request);
    Log log{.end = request.offset()};
    for (v1::LogChunk chunk; reader->Read(&chunk);) {
      EXPECT_EQ(chunk.offset(), log.end + chunk.skipped_bytes());
      EXPECT_LE(chunk.data().size(), size_t{64} << 10);
      log.text += chunk.data();
      log.skipped_bytes += chunk.skipped_bytes();
      log.end = chunk.offset() + static_cast<int64_t>(chunk.data().size());
      log.attempt = chunk.attempt();
    }
    log.status = reader->Finish();
    return log;
  }
  std::string Text(const v1::StreamLogsRequest& request) {
    const Log log = Read(request);
    EXPECT_TRUE(log.status.ok()) << log.status.error_message();
    return log.text;
  }

  std::string Create() { return server_.Create(server_.CompressRequest()).name(); }

  RunningServer server_;
};

TEST_F(StreamLogsTest, ReplaysTheLogOfAnEndedAttemptFromEveryOffset) {
  server_.SetScript({{{"print", "one"}}, {{"print", "two"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.AwaitEnd(Create()).name();
  const std::string whole = "one\ntwo\n";
  for (size_t offset = 0; offset <= whole.size(); ++offset) {
    EXPECT_EQ(Text(RequestFor(name, 1, static_cast<int64_t>(offset))), whole.substr(offset));
  }
  server_.Stop();
  server_.Start();
  EXPECT_EQ(Text(RequestFor(name)), whole) << "after a restart, too";
}

TEST_F(StreamLogsTest, FollowsARunningAttemptUntilItsEnd) {
  server_.SetScript({{{"print", "before"}},
                     {{"await_file", server_.Gate("go")}},
                     {{"print", "after"}},
                     {{"pivot", json::object()}},
                     {{"print", "last"}},
                     {{"send", "Done"}}});
  server_.Start();
  const std::string name = Create();
  server_.AwaitWorker(name);
  grpc::ClientContext context;
  const auto reader = server_.jobs().StreamLogs(&context, RequestFor(name));
  std::string text;
  v1::LogChunk chunk;
  while (text != "before\n" && reader->Read(&chunk)) text += chunk.data();
  EXPECT_EQ(text, "before\n");
  EXPECT_EQ(chunk.attempt(), 1);
  server_.Open("go");
  while (reader->Read(&chunk)) text += chunk.data();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(text, "before\nafter\nlast\n");
  EXPECT_EQ(server_.AwaitEnd(name).attempts(0).log_tail(), text);
}

TEST_F(StreamLogsTest, EndsWhereTheLogEndsNowIfAsked) {
  server_.SetScript({{{"print", "so far"}}, {{"send", "BlockDone"}}, {{"await_file", server_.Gate("never")}}});
  server_.Start();
  const std::string name = Create();
  v1::StreamLogsRequest request = RequestFor(name);
  request.set_no_follow(true);
  EXPECT_TRUE(Eventually([&] { return Text(request) == "so far\n"; }));
  request.set_offset(7);
  EXPECT_EQ(Text(request), "");
}

TEST_F(StreamLogsTest, KeepsAttemptsApart) {
  server_.SetScript({{{"attempt", 1}, {"print", "first"}},
                     {{"attempt", 1}, {"signal", 11}},
                     {{"print", "second"}},
                     {{"pivot", json::object()}},
                     {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.AwaitEnd(Create()).name();
  EXPECT_EQ(Text(RequestFor(name, 1)), "first\n");
  EXPECT_EQ(Text(RequestFor(name, 2)), "second\n");
  EXPECT_EQ(Read(RequestFor(name)).attempt, 2) << "the newest";
  const grpc::Status missing = Read(RequestFor(name, 3)).status;
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonIn(missing), "ATTEMPT_NOT_FOUND");
  EXPECT_THAT(missing.error_message(), HasSubstr(name + " has had 2 attempts"));
}

TEST_F(StreamLogsTest, WaitsForTheFirstAttempt) {
  server_.SetScript(
      {{{"await_file", server_.Gate("go")}}, {{"print", "at last"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.options.heartbeat_interval = absl::Milliseconds(30);
  server_.Start();
  server_.AwaitState(Create(), v1::STATE_RUNNING);
  const std::string name = Create();
  const std::string never = Create();
  grpc::ClientContext context;
  const auto reader = server_.jobs().StreamLogs(&context, RequestFor(name));
  v1::LogChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  EXPECT_EQ(chunk.data(), "") << "a sign of life";
  EXPECT_EQ(chunk.attempt(), 1);
  std::thread cancel([&] { server_.Cancel(never); });
  EXPECT_EQ(Text(RequestFor(never)), "") << "it never begins";
  cancel.join();
  server_.Open("go");
  std::string text;
  while (reader->Read(&chunk)) text += chunk.data();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(text, "at last\n");
}

TEST_F(StreamLogsTest, KeepsTheBeginningAndTheEndOfALongLog) {
  server_.SetScript({{{"print", "the beginning"}},
                     {{"print_bytes", kMany}},
                     {{"print", "the end"}},
                     {{"pivot", json::object()}},
                     {{"send", "Done"}}});
  server_.Start();
  const v1::Job job = server_.AwaitEnd(Create());
  const Log log = Read(RequestFor(job.name()));
  EXPECT_TRUE(log.status.ok());
  EXPECT_EQ(log.text.substr(0, 14), "the beginning\n");
  EXPECT_EQ(log.text.substr(log.text.size() - 8), "the end\n");
  EXPECT_EQ(log.end, 14 + kMany + 8);
  EXPECT_EQ(log.skipped_bytes + static_cast<int64_t>(log.text.size()), log.end);
  EXPECT_LE(log.text.size(), size_t{8} << 20);
  EXPECT_GT(log.text.size(), size_t{7} << 20);
  int64_t stored = 0;
  for (const auto& file : std::filesystem::directory_iterator(server_.data() + "/logs/" + job.uid() + "/1")) {
    stored += static_cast<int64_t>(file.file_size());
  }
  EXPECT_EQ(stored, static_cast<int64_t>(log.text.size()));
}

TEST_F(StreamLogsTest, SaysWhatCannotBeRead) {
  server_.SetScript({{{"print", "one"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.AwaitEnd(Create()).name();
  const grpc::Status beyond = Read(RequestFor(name, 1, 5)).status;
  EXPECT_EQ(beyond.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonIn(beyond), "OFFSET_BEYOND_END");
  EXPECT_EQ(FieldIn(Read(RequestFor(name, 1, -1)).status), "offset");
  EXPECT_EQ(FieldIn(Read(RequestFor(name, -1)).status), "attempt");
  EXPECT_EQ(ReasonIn(Read(RequestFor("projects/test/jobs/nothing")).status), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonIn(Read(RequestFor("nothing")).status), "INVALID_NAME");
}

TEST_F(StreamLogsTest, ServesManyReadersOfOneAttempt) {
  json script = json::array();
  std::string whole;
  for (int i = 0; i < 200; ++i) {
    const std::string line = "line " + std::to_string(i);
    whole += line + "\n";
    if (i == 100) script.push_back({{"await_file", server_.Gate("go")}});
    script.push_back({{"print", line}});
  }
  script.push_back({{"pivot", json::object()}});
  script.push_back({{"send", "Done"}});
  server_.SetScript(script);
  server_.Start();
  const std::string name = Create();
  std::vector<std::string> seen(20);
  std::vector<std::thread> threads;
  for (std::string& text : seen) threads.emplace_back([&] { text = Text(RequestFor(name)); });
  server_.Open("go");
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : seen) EXPECT_EQ(text, whole);
}

}  // namespace
}  // namespace pivot
