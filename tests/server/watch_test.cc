// SPDX-License-Identifier: Apache-2.0
#include <chrono>
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kBlocks = 20;

class WatchTest : public ::testing::Test {
 protected:
  /// Ten blocks, a gate, ten more.
  void UseGatedScript() {
    json script = json::array();
    for (int block = 0; block < kBlocks; ++block) {
      if (block == kBlocks / 2) script.push_back({{"await_file", server_.Gate("go")}});
      script.push_back({{"send", "BlockDone"}, {"payload", {{"block", block}}}});
    }
    script.push_back({{"pivot", json::object()}});
    script.push_back({{"send", "Done"}});
    server_.SetScript(script);
  }

  v1::WatchJobRequest RequestFor(const std::string& name) {
    v1::WatchJobRequest request;
    request.set_name(name);
    return request;
  }

  grpc::Status WatchStatus(const v1::WatchJobRequest& request) {
    grpc::ClientContext context;
    const auto reader = server_.jobs().WatchJob(&context, request);
    v1::JobEvent event;
    while (reader->Read(&event)) {
    }
    return reader->Finish();
  }

  RunningServer server_;
};

TEST_F(WatchTest, ReplaysFromEveryCursorAndEnds) {
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  for (uint64_t cursor = 0; cursor <= job.last_seq(); ++cursor) {
    EXPECT_EQ(Sequence(server_.Watch(job.name(), cursor)), Counting(cursor + 1, job.last_seq()));
  }
}

TEST_F(WatchTest, FollowsLiveFromEveryCursor) {
  UseGatedScript();
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).last_seq() == 3 + kBlocks / 2; }));
  std::vector<std::vector<uint64_t>> seen(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { seen[i] = Sequence(server_.Watch(name, i)); });
  }
  server_.Open("go");
  for (std::thread& thread : threads) thread.join();
  const uint64_t last = server_.Get(name).last_seq();
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], Counting(i + 1, last)) << i;
}

TEST_F(WatchTest, GoesOnWhereAnotherStreamStopped) {
  UseGatedScript();
  server_.Open("go");
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  uint64_t cursor = 0;
  bool ended = false;
  while (!ended) {
    grpc::ClientContext context;
    v1::WatchJobRequest request = RequestFor(name);
    request.set_after_seq(cursor);
    const auto reader = server_.jobs().WatchJob(&context, request);
    v1::JobEvent event;
    for (int i = 0; i < 3 && !ended; ++i) {
      if (!reader->Read(&event)) {
        ended = true;
      } else if (event.seq() > 0) {
        ASSERT_EQ(event.seq(), cursor + 1);
        cursor = event.seq();
      }
    }
    context.TryCancel();
    reader->Finish();
  }
  EXPECT_EQ(cursor, server_.Get(name).last_seq());
}

TEST_F(WatchTest, RefusesACursorFromTheFuture) {
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  v1::WatchJobRequest request = RequestFor(job.name());
  request.set_after_seq(job.last_seq() + 1);
  const grpc::Status status = WatchStatus(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonIn(status), "SEQ_FROM_FUTURE");
}

TEST_F(WatchTest, SaysThatThereIsNoSuchJob) {
  server_.Start();
  const grpc::Status status = WatchStatus(RequestFor("projects/test/jobs/nothing"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonIn(status), "JOB_NOT_FOUND");
}

TEST_F(WatchTest, SendsTheWholeJobFirstIfAsked) {
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  grpc::ClientContext context;
  v1::WatchJobRequest request = RequestFor(job.name());
  request.set_snapshot_first(true);
  request.set_after_seq(job.last_seq());
  const auto reader = server_.jobs().WatchJob(&context, request);
  v1::JobEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.seq(), 0U);
  EXPECT_EQ(event.snapshot().uid(), job.uid());
  EXPECT_EQ(event.snapshot().state(), v1::STATE_SUCCEEDED);
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(WatchTest, BeatsWhileNothingHappens) {
  server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.options.heartbeat_interval = absl::Milliseconds(30);
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  grpc::ClientContext context;
  const auto reader = server_.jobs().WatchJob(&context, RequestFor(name));
  int beats = 0;
  v1::JobEvent event;
  while (beats < 3 && reader->Read(&event)) beats += event.has_heartbeat() ? 1 : 0;
  EXPECT_EQ(beats, 3);
  EXPECT_EQ(event.seq(), 0U);
  server_.Open("go");
  while (reader->Read(&event)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(WatchTest, MergesProgressToTheIntervalAskedFor) {
  json script = json::array();
  for (int i = 1; i <= 200; ++i) script.push_back({{"send", "Progress"}, {"payload", {{"done", i}}}});
  script.push_back({{"await_file", server_.Gate("go")}});
  script.push_back({{"pivot", json::object()}});
  script.push_back({{"send", "Done"}});
  server_.SetScript(script);
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  grpc::ClientContext context;
  v1::WatchJobRequest request = RequestFor(name);
  request.mutable_progress_interval()->set_nanos(100000000);
  const auto reader = server_.jobs().WatchJob(&context, request);
  int ticks = 0;
  v1::JobEvent event;
  while (reader->Read(&event)) {
    if (!event.has_progress()) continue;
    ++ticks;
    EXPECT_EQ(event.attempt(), 1);
    if (event.progress().done() == 200) server_.Open("go");
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_GE(ticks, 1);
  EXPECT_LT(ticks, 50) << "200 were sent within a moment";
}

TEST_F(WatchTest, KeepsServingOthersWhenAWatcherLeaves) {
  UseGatedScript();
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    const auto reader = server_.jobs().WatchJob(&context, RequestFor(name));
    v1::JobEvent event;
    ASSERT_TRUE(reader->Read(&event));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  server_.Open("go");
  EXPECT_EQ(Sequence(server_.Watch(name)), Counting(1, server_.AwaitEnd(name).last_seq()));
}

TEST_F(WatchTest, ServesManyAtOnce) {
  UseGatedScript();
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  std::vector<std::vector<uint64_t>> seen(30);
  std::vector<std::thread> threads;
  for (auto& numbers : seen) threads.emplace_back([&] { numbers = Sequence(server_.Watch(name)); });
  server_.Open("go");
  for (std::thread& thread : threads) thread.join();
  const auto all = Counting(1, server_.Get(name).last_seq());
  for (const auto& numbers : seen) EXPECT_EQ(numbers, all);
}

}  // namespace
}  // namespace pivot
