// SPDX-License-Identifier: Apache-2.0
#include "client/watch.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/connection.h"
#include "proto/status/reason.h"
#include "tests/client/fake_service.h"
#include "tests/support/status_matchers.h"

namespace pivot::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kJob[] = "projects/default/jobs/j";
const grpc::Status kCut(grpc::StatusCode::UNAVAILABLE, "cut");

using Send = std::function<bool(const v1::JobEvent&)>;

v1::JobEvent Numbered(uint64_t seq) {
  v1::JobEvent event;
  event.set_job(kJob);
  event.set_seq(seq);
  event.mutable_warning()->set_reason("R");
  return event;
}

v1::JobEvent Tick() {
  v1::JobEvent event;
  event.mutable_progress()->set_stage("layerwise");
  return event;
}

WatchOptions Quick() {
  WatchOptions options;
  options.silence_limit = absl::Seconds(10);
  options.backoff = {
      .first = absl::Milliseconds(1), .longest = absl::Milliseconds(20), .give_up_after = absl::Seconds(10)};
  return options;
}

struct Watched {
  absl::Status status;
  std::vector<uint64_t> seqs;
};

/// One fake server for one watch.
class WatchTest : public ::testing::Test {
 protected:
  Watched Watch(Stream<v1::WatchJobRequest, v1::JobEvent> stream, const WatchOptions& options) {
    service_ = std::make_unique<FakeService>(FakeMethods{.watch_job = std::move(stream)});
    Watched watched;
    const absl::StatusOr<Connection> connection = Connect(service_->address());
    watched.status =
        WatchJob(*connection, kJob, options, [&](const v1::JobEvent& event) { watched.seqs.push_back(event.seq()); });
    service_.reset();  // what the stream uses lives no longer than the test
    return watched;
  }

  std::unique_ptr<FakeService> service_;
};

TEST_F(WatchTest, GivesEveryEventOfAWholeStream) {
  const Watched watched = Watch(
      [](const v1::WatchJobRequest& request, const Send& send) {
        EXPECT_EQ(request.name(), kJob);
        EXPECT_EQ(request.progress_interval().seconds(), 1);
        for (const uint64_t seq : {1, 2, 3}) send(Numbered(seq));
        return grpc::Status::OK;
      },
      Quick());
  EXPECT_OK(watched.status);
  EXPECT_THAT(watched.seqs, ElementsAre(1, 2, 3));
}

TEST_F(WatchTest, GoesOnWhereTheStreamWasCutWithoutLossOrRepetition) {
  std::vector<uint64_t> cursors;
  const Watched watched = Watch(
      [&](const v1::WatchJobRequest& request, const Send& send) {
        cursors.push_back(request.after_seq());
        // Every stream repeats the event before its cursor, is two events long and is then cut.
        uint64_t seq = request.after_seq();
        if (seq > 0) send(Numbered(seq));
        for (int i = 0; i < 2 && seq < 7; ++i) send(Numbered(++seq));
        return seq == 7 ? grpc::Status::OK : kCut;
      },
      Quick());
  EXPECT_OK(watched.status);
  EXPECT_THAT(watched.seqs, ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(cursors, ElementsAre(0, 2, 4, 6));
}

TEST_F(WatchTest, StartsAfterTheCursorGiven) {
  WatchOptions options = Quick();
  options.after_seq = 5;
  const Watched watched = Watch(
      [](const v1::WatchJobRequest& request, const Send& send) {
        EXPECT_EQ(request.after_seq(), 5U);
        send(Numbered(6));
        return grpc::Status::OK;
      },
      options);
  EXPECT_OK(watched.status);
  EXPECT_THAT(watched.seqs, ElementsAre(6));
}

TEST_F(WatchTest, HandsOnEphemeralEvents) {
  const Watched watched = Watch(
      [](const v1::WatchJobRequest&, const Send& send) {
        send(Numbered(1));
        send(Tick());
        send(Numbered(2));
        return grpc::Status::OK;
      },
      Quick());
  EXPECT_THAT(watched.seqs, ElementsAre(1, 0, 2));
}

TEST_F(WatchTest, AsksAgainAfterAGapAndBelievesASecondOne) {
  int streams = 0;
  const Watched healed = Watch(
      [&](const v1::WatchJobRequest& request, const Send& send) {
        ++streams;
        if (request.after_seq() == 0) send(Numbered(1));
        if (streams > 1) send(Numbered(2));
        send(Numbered(3));
        return grpc::Status::OK;
      },
      Quick());
  EXPECT_OK(healed.status);
  EXPECT_THAT(healed.seqs, ElementsAre(1, 2, 3));

  const Watched broken = Watch(
      [](const v1::WatchJobRequest& request, const Send& send) {
        if (request.after_seq() == 0) send(Numbered(1));
        send(Numbered(3));
        return grpc::Status::OK;
      },
      Quick());
  EXPECT_THAT(broken.status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("event 2 of projects/default/jobs/j is missing")));
  EXPECT_THAT(broken.seqs, ElementsAre(1));
}

TEST_F(WatchTest, DoesNotRepeatWhatCannotHelp) {
  int streams = 0;
  const Watched watched = Watch(
      [&](const v1::WatchJobRequest&, const Send&) {
        ++streams;
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such job");
      },
      Quick());
  EXPECT_THAT(watched.status, StatusIs(absl::StatusCode::kNotFound, "no such job"));
  EXPECT_EQ(streams, 1);
}

TEST_F(WatchTest, GivesUpOnAServerThatStaysAway) {
  WatchOptions options = Quick();
  options.backoff.give_up_after = absl::Milliseconds(50);
  const Watched watched = Watch([](const v1::WatchJobRequest&, const Send&) { return kCut; }, options);
  EXPECT_THAT(watched.status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("does not answer (cut)")));
}

TEST_F(WatchTest, TakesSilenceForALostConnection) {
  WatchOptions options = Quick();
  options.silence_limit = absl::Milliseconds(300);
  std::atomic<int> streams = 0;
  std::atomic<bool> is_over = false;
  const Watched watched = Watch(
      [&](const v1::WatchJobRequest& request, const Send& send) {
        if (++streams == 1) {
          send(Numbered(1));
          while (!is_over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
          return grpc::Status::OK;
        }
        EXPECT_EQ(request.after_seq(), 1U);
        send(Numbered(2));
        is_over = true;
        return grpc::Status::OK;
      },
      options);
  EXPECT_OK(watched.status);
  EXPECT_THAT(watched.seqs, ElementsAre(1, 2));
}

TEST_F(WatchTest, StopsFromAnotherThreadWhileNothingComes) {
  std::stop_source stop;
  WatchOptions options = Quick();
  options.stop = stop.get_token();
  const auto start = absl::Now();
  const Watched watched = Watch(
      [&](const v1::WatchJobRequest&, const Send& send) {
        send(Numbered(1));
        stop.request_stop();
        while (absl::Now() - start < absl::Seconds(5) && send(Tick())) {
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return grpc::Status::OK;
      },
      options);
  EXPECT_TRUE(IsInterrupted(watched.status)) << watched.status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST_F(WatchTest, StopsWhileItWaitsForTheServer) {
  std::stop_source stop;
  WatchOptions options = Quick();
  options.backoff.first = options.backoff.longest = absl::Hours(1);
  options.stop = stop.get_token();
  options.before_reconnect = [&](const absl::Status&) {
    stop.request_stop();
    return absl::OkStatus();
  };
  const Watched watched = Watch([](const v1::WatchJobRequest&, const Send&) { return kCut; }, options);
  EXPECT_TRUE(IsInterrupted(watched.status)) << watched.status;
}

TEST_F(WatchTest, EndsWithWhatIsSaidBeforeReconnecting) {
  WatchOptions options = Quick();
  options.before_reconnect = [](const absl::Status& lost) {
    EXPECT_THAT(lost, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cut")));
    return absl::InternalError("the private server died");
  };
  const Watched watched = Watch([](const v1::WatchJobRequest&, const Send&) { return kCut; }, options);
  EXPECT_THAT(watched.status, StatusIs(absl::StatusCode::kInternal, "the private server died"));
}

TEST_F(WatchTest, SurvivesARestartOfTheServer) {
  std::atomic<bool> restart = false;
  std::thread restarter;
  const Watched watched = Watch(
      [&](const v1::WatchJobRequest& request, const Send& send) {
        if (request.after_seq() > 0) {
          send(Numbered(2));
          return grpc::Status::OK;
        }
        send(Numbered(1));
        restart = true;
        while (send(Tick())) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return grpc::Status::CANCELLED;
      },
      [&] {
        WatchOptions options = Quick();
        restarter = std::thread([&] {
          while (!restart) std::this_thread::sleep_for(std::chrono::milliseconds(1));
          service_->Stop();
          service_->Start();
        });
        return options;
      }());
  restarter.join();
  EXPECT_OK(watched.status);
  EXPECT_EQ(watched.seqs.front(), 1U);
  EXPECT_EQ(watched.seqs.back(), 2U);
}

}  // namespace
}  // namespace pivot::client
