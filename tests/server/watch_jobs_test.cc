// SPDX-License-Identifier: Apache-2.0
#include <map>
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

class WatchJobsTest : public ::testing::Test {
 protected:
  using Reader = std::unique_ptr<grpc::ClientReader<v1::JobEvent>>;

  Reader Begin(grpc::ClientContext* context, uint64_t after, const std::string& parent = kProject) {
    v1::WatchJobsRequest request;
    request.set_parent(parent);
    request.set_after_project_seq(after);
    return server_.jobs().WatchJobs(context, request);
  }

  /// The next `count` durable events; fewer when the stream ends.
  static std::vector<v1::JobEvent> Read(const Reader& reader, size_t count) {
    std::vector<v1::JobEvent> events;
    v1::JobEvent event;
    while (events.size() < count && reader->Read(&event)) {
      if (event.seq() > 0) events.push_back(event);
    }
    EXPECT_EQ(events.size(), count);
    return events;
  }

  std::vector<v1::JobEvent> ReadFrom(uint64_t after, size_t count) {
    grpc::ClientContext context;
    const Reader reader = Begin(&context, after);
    std::vector<v1::JobEvent> events = Read(reader, count);
    context.TryCancel();
    return events;
  }

  grpc::Status StatusOf(const v1::WatchJobsRequest& request) {
    grpc::ClientContext context;
    const auto reader = server_.jobs().WatchJobs(&context, request);
    v1::JobEvent event;
    while (reader->Read(&event)) {
    }
    return reader->Finish();
  }

  v1::Job Done(const std::string& id) { return server_.AwaitEnd(server_.Create(server_.CompressRequest(id)).name()); }

  /// Every job's events without a gap, all in rising order of the project.
  static void ExpectWhole(const std::vector<v1::JobEvent>& events, const std::map<std::string, uint64_t>& last_seqs) {
    std::map<std::string, std::vector<v1::JobEvent>> by_job;
    for (size_t i = 0; i < events.size(); ++i) {
      by_job[events[i].job()].push_back(events[i]);
      const uint64_t before = i > 0 ? events[i - 1].project_seq() : 0;
      EXPECT_GT(events[i].project_seq(), before);
    }
    EXPECT_EQ(by_job.size(), last_seqs.size());
    for (const auto& [name, last] : last_seqs) EXPECT_EQ(Sequence(by_job[name]), Counting(1, last)) << name;
  }

  RunningServer server_;
};

TEST_F(WatchJobsTest, ReplaysTheEventsOfAllJobsFromEveryCursor) {
  server_.Start();
  const v1::Job a = Done("a");
  const v1::Job b = Done("b");
  const auto all = ReadFrom(0, a.last_seq() + b.last_seq());
  ExpectWhole(all, {{a.name(), a.last_seq()}, {b.name(), b.last_seq()}});
  for (size_t i = 0; i < all.size(); ++i) {
    const auto rest = ReadFrom(all[i].project_seq(), all.size() - i - 1);
    for (size_t k = 0; k < rest.size(); ++k) EXPECT_EQ(rest[k].project_seq(), all[i + 1 + k].project_seq());
  }
}

TEST_F(WatchJobsTest, FollowsJobsThatAreCreatedLater) {
  server_.Start();
  grpc::ClientContext context;
  const Reader reader = Begin(&context, 0);
  const v1::Job a = Done("a");
  auto events = Read(reader, a.last_seq());
  const v1::Job b = Done("b");
  for (const v1::JobEvent& event : Read(reader, b.last_seq())) events.push_back(event);
  ExpectWhole(events, {{a.name(), a.last_seq()}, {b.name(), b.last_seq()}});
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED) << "it does not end by itself";
}

TEST_F(WatchJobsTest, LosesNothingWhileManyWriteAtOnce) {
  server_.Start();
  grpc::ClientContext context;
  const Reader reader = Begin(&context, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 3; ++k) server_.Create(server_.CompressRequest("job-" + std::to_string(10 * i + k)));
    });
  }
  std::vector<v1::JobEvent> events;
  std::map<std::string, uint64_t> last_seqs;
  v1::JobEvent event;
  for (int ended = 0; ended < 12 && reader->Read(&event);) {
    if (event.seq() == 0) continue;
    events.push_back(event);
    last_seqs[event.job()] = event.seq();
    ended += event.state_changed().to() == v1::STATE_SUCCEEDED ? 1 : 0;
  }
  for (std::thread& thread : threads) thread.join();
  context.TryCancel();
  ExpectWhole(events, last_seqs);
  EXPECT_EQ(last_seqs.size(), 12U);
  for (const auto& [name, last] : last_seqs) EXPECT_EQ(server_.Get(name).last_seq(), last);
}

TEST_F(WatchJobsTest, BeginsNowIfAsked) {
  server_.Start();
  const v1::Job a = Done("a");
  v1::WatchJobsRequest request;
  request.set_parent(kProject);
  request.set_from_now(true);
  grpc::ClientContext context;
  const auto reader = server_.jobs().WatchJobs(&context, request);
  v1::JobEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_TRUE(event.has_heartbeat()) << "at once, with the cursor";
  EXPECT_EQ(event.project_seq(), a.last_seq());
  const v1::Job b = Done("b");
  ExpectWhole(Read(reader, b.last_seq()), {{b.name(), b.last_seq()}});
  context.TryCancel();
  reader->Finish();
  request.set_after_project_seq(1);
  EXPECT_EQ(FieldIn(StatusOf(request)), "after_project_seq");
}

TEST_F(WatchJobsTest, KnowsOneProjectOnly) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest("theirs");
  request.set_parent("projects/other");
  const v1::Job theirs = server_.AwaitEnd(server_.Create(request).name());
  const v1::Job ours = Done("ours");
  ExpectWhole(ReadFrom(0, ours.last_seq()), {{ours.name(), ours.last_seq()}});
  EXPECT_EQ(theirs.state(), v1::STATE_SUCCEEDED);
}

TEST_F(WatchJobsTest, BeatsWithItsCursorWhileNothingHappens) {
  server_.options.heartbeat_interval = absl::Milliseconds(30);
  server_.Start();
  grpc::ClientContext context;
  const Reader reader = Begin(&context, 0, "projects/nobody");
  v1::JobEvent event;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(reader->Read(&event));
    EXPECT_TRUE(event.has_heartbeat());
    EXPECT_EQ(event.project_seq(), 0U);
  }
  const v1::Job job = Done("a");
  grpc::ClientContext second;
  const Reader behind = Begin(&second, job.last_seq());
  ASSERT_TRUE(behind->Read(&event));
  EXPECT_TRUE(event.has_heartbeat());
  EXPECT_EQ(event.project_seq(), job.last_seq());
  context.TryCancel();
  second.TryCancel();
  reader->Finish();
  behind->Finish();
}

TEST_F(WatchJobsTest, RefusesACursorFromTheFutureAndABadParent) {
  server_.Start();
  const v1::Job job = Done("a");
  v1::WatchJobsRequest request;
  request.set_parent(kProject);
  request.set_after_project_seq(job.last_seq() + 1);
  const grpc::Status future = StatusOf(request);
  EXPECT_EQ(future.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonIn(future), "SEQ_FROM_FUTURE");
  EXPECT_EQ(FieldIn(future), "after_project_seq");
  request.set_parent("projects/Bad Name");
  EXPECT_EQ(ReasonIn(StatusOf(request)), "INVALID_NAME");
}

TEST_F(WatchJobsTest, GoesOnOverADeletedJobAndARestart) {
  server_.Start();
  const v1::Job gone = Done("gone");
  const v1::Job kept = Done("kept");
  const uint64_t cursor = ReadFrom(0, 2)[1].project_seq();
  v1::DeleteJobRequest request;
  request.set_name(gone.name());
  grpc::ClientContext context;
  google::protobuf::Empty nothing;
  ASSERT_TRUE(server_.jobs().DeleteJob(&context, request, &nothing).ok());
  ExpectWhole(ReadFrom(cursor, kept.last_seq()), {{kept.name(), kept.last_seq()}});
  server_.Stop();
  server_.Start();
  ExpectWhole(ReadFrom(cursor, kept.last_seq()), {{kept.name(), kept.last_seq()}});
}

TEST_F(WatchJobsTest, TellsOfADeletedJobNowAndLater) {
  server_.Start();
  const v1::Job job = Done("gone");
  grpc::ClientContext live;
  const Reader reader = Begin(&live, job.last_seq());
  v1::DeleteJobRequest request;
  request.set_name(job.name());
  grpc::ClientContext context;
  google::protobuf::Empty nothing;
  ASSERT_TRUE(server_.jobs().DeleteJob(&context, request, &nothing).ok());
  const auto expect_deletion = [&](const Reader& of) {
    v1::JobEvent event;
    ASSERT_TRUE(of->Read(&event));
    EXPECT_EQ(event.job_deleted().uid(), job.uid()) << event.DebugString();
    EXPECT_EQ(event.job(), job.name());
    EXPECT_EQ(event.seq(), 0U);
    EXPECT_EQ(event.project_seq(), job.last_seq() + 1);
    EXPECT_GT(event.time().seconds(), 0);
  };
  expect_deletion(reader);
  live.TryCancel();
  reader->Finish();
  server_.Stop();
  server_.Start();
  grpc::ClientContext later;
  const Reader again = Begin(&later, 1);
  expect_deletion(again);
  later.TryCancel();
  again->Finish();
}

TEST_F(WatchJobsTest, HoldsNobodyUpWhenNobodyReads) {
  constexpr int kBlocks = 3000;
  json script = json::array();
  for (int block = 0; block < kBlocks; ++block) {
    script.push_back({{"send", "BlockDone"}, {"payload", {{"stage", std::string(200, 's')}, {"block", block}}}});
  }
  script.push_back({{"pivot", json::object()}});
  script.push_back({{"send", "Done"}});
  server_.SetScript(script);
  server_.Start();
  grpc::ClientContext context;
  const Reader slow = Begin(&context, 0);
  const v1::Job job = Done("a");
  EXPECT_GT(job.last_seq(), uint64_t{kBlocks});
  ExpectWhole(Read(slow, job.last_seq()), {{job.name(), job.last_seq()}});
  context.TryCancel();
}

TEST_F(WatchJobsTest, EndsWhenTheServerDoes) {
  server_.Start();
  grpc::ClientContext context;
  const Reader reader = Begin(&context, 0);
  const v1::Job job = Done("a");
  Read(reader, job.last_seq());
  std::thread stop([&] { server_.server().Shutdown(); });
  v1::JobEvent event;
  while (reader->Read(&event)) {
  }
  const grpc::Status status = reader->Finish();
  stop.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(status), "DRAINING");
}

}  // namespace
}  // namespace pivot
