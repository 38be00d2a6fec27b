// SPDX-License-Identifier: Apache-2.0
// Streams that go on across lost connections: a project's events, and logs.
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/connection.h"
#include "client/logs.h"
#include "client/watch_all.h"
#include "proto/status/reason.h"
#include "tests/client/fake_service.h"
#include "tests/support/status_matchers.h"

namespace pivot::client {
namespace {

using ::testing::ElementsAre;

constexpr char kParent[] = "projects/default";
const grpc::Status kCut(grpc::StatusCode::UNAVAILABLE, "cut");

ReconnectOptions Quick() {
  return {.silence_limit = absl::Seconds(10),
          .backoff = {
              .first = absl::Milliseconds(1), .longest = absl::Milliseconds(20), .give_up_after = absl::Seconds(10)}};
}

v1::JobEvent Numbered(uint64_t project_seq) {
  v1::JobEvent event;
  event.set_job("projects/default/jobs/j");
  event.set_seq(1);
  event.set_project_seq(project_seq);
  event.mutable_warning()->set_reason("R");
  return event;
}

v1::JobEvent Beat(uint64_t project_seq) {
  v1::JobEvent event;
  event.mutable_heartbeat();
  event.set_project_seq(project_seq);
  return event;
}

class WatchAllTest : public ::testing::Test {
 protected:
  using Send = std::function<bool(const v1::JobEvent&)>;

  absl::Status Watch(Stream<v1::WatchJobsRequest, v1::JobEvent> stream, WatchAllOptions options) {
    service_ = std::make_unique<FakeService>(FakeMethods{.watch_jobs = std::move(stream)});
    const absl::StatusOr<Connection> connection = Connect(service_->address());
    options.reconnect = Quick();
    options.reconnect.stop = stop_.get_token();
    const absl::Status status = WatchJobs(*connection, kParent, options, [&](const v1::JobEvent& event) {
      seqs_.push_back(event.project_seq());
      if (seqs_.size() == wanted_) stop_.request_stop();
    });
    service_.reset();
    return status;
  }

  size_t wanted_ = 100;
  std::stop_source stop_;
  std::vector<uint64_t> seqs_;
  std::unique_ptr<FakeService> service_;
};

TEST_F(WatchAllTest, GoesOnWhereTheStreamWasCutWithoutLossOrRepetition) {
  std::vector<uint64_t> cursors;
  wanted_ = 5;
  const absl::Status status = Watch(
      [&](const v1::WatchJobsRequest& request, const Send& send) {
        EXPECT_EQ(request.parent(), kParent);
        EXPECT_FALSE(request.from_now());
        cursors.push_back(request.after_project_seq());
        // Numbers have gaps; each stream repeats the last event, sends two more and is cut, the second time without
        // error.
        const uint64_t last = request.after_project_seq();
        if (last > 0) send(Numbered(last));
        for (uint64_t seq = last + 2; seq <= last + 4; seq += 2) send(Numbered(seq));
        return last == 4 ? grpc::Status::OK : kCut;
      },
      {.after_project_seq = 0});
  EXPECT_TRUE(IsInterrupted(status));
  EXPECT_THAT(seqs_, ElementsAre(2, 4, 6, 8, 10));
  EXPECT_THAT(cursors, ElementsAre(0, 4, 8));
}

TEST_F(WatchAllTest, LosesNothingThatComesWhileItIsCutOffAtTheBeginning) {
  int streams = 0;
  wanted_ = 1;
  const absl::Status status = Watch(
      [&](const v1::WatchJobsRequest& request, const Send& send) {
        if (++streams == 1) {
          EXPECT_TRUE(request.from_now());
          send(Beat(7));
          return kCut;
        }
        EXPECT_FALSE(request.from_now());
        EXPECT_EQ(request.after_project_seq(), 7U);
        send(Numbered(8));
        return kCut;
      },
      {});
  EXPECT_TRUE(IsInterrupted(status));
  EXPECT_THAT(seqs_, ElementsAre(8));
}

TEST_F(WatchAllTest, EndsWithARefusal) {
  const absl::Status status =
      Watch([](const v1::WatchJobsRequest&,
               const Send&) { return StatusWithReason(grpc::StatusCode::OUT_OF_RANGE, "SEQ_FROM_FUTURE"); },
            {.after_project_seq = 5});
  EXPECT_EQ(ReasonOf(status), "SEQ_FROM_FUTURE");
}

class LogsTest : public ::testing::Test {
 protected:
  using Send = std::function<bool(const v1::LogChunk&)>;

  static v1::LogChunk Chunk(int64_t offset, const std::string& data) {
    v1::LogChunk chunk;
    chunk.set_attempt(3);
    chunk.set_offset(offset);
    chunk.set_data(data);
    return chunk;
  }

  absl::Status Follow(Stream<v1::StreamLogsRequest, v1::LogChunk> stream) {
    const FakeService service(FakeMethods{.stream_logs = std::move(stream)});
    const absl::StatusOr<Connection> connection = Connect(service.address());
    v1::StreamLogsRequest request;
    request.set_name("projects/default/jobs/j");
    return StreamLogs(*connection, request, Quick(), [&](const v1::LogChunk& chunk) { text_ += chunk.data(); });
  }

  std::string text_;
};

TEST_F(LogsTest, GoesOnWithTheSameAttemptWhereTheStreamWasCut) {
  std::vector<std::pair<int, int64_t>> asked;
  EXPECT_OK(Follow([&](const v1::StreamLogsRequest& request, const Send& send) {
    asked.emplace_back(request.attempt(), request.offset());
    if (request.offset() == 0) {
      send(Chunk(0, "ab"));
      send(Chunk(12, "cd"));  // behind a gap
      send(Chunk(14, ""));
      return kCut;
    }
    send(Chunk(14, "ef"));
    return grpc::Status::OK;
  }));
  EXPECT_EQ(text_, "abcdef");
  EXPECT_THAT(asked, ElementsAre(std::pair(0, 0), std::pair(3, 14)));
}

TEST_F(LogsTest, EndsWithARefusal) {
  EXPECT_EQ(ReasonOf(Follow([](const v1::StreamLogsRequest&, const Send&) {
              return StatusWithReason(grpc::StatusCode::NOT_FOUND, "ATTEMPT_NOT_FOUND");
            })),
            "ATTEMPT_NOT_FOUND");
}

}  // namespace
}  // namespace pivot::client
