// SPDX-License-Identifier: Apache-2.0
// PIVOT_TORTURE_WATCHERS watchers, each cut at least 20 times, also by kill -9 and by SIGTERM of the server.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <grpcpp/grpcpp.h>
#include <iostream>
#include <memory>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/torture/checker.h"
#include "tests/torture/client.h"
#include "tests/torture/cut_watcher.h"
#include "tests/torture/rounds.h"
#include "tests/torture/tortured_server.h"

namespace pivot {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr int kCuts = 20;
constexpr int kStreamsAConnection = 100;
constexpr int kEvents = 40;
constexpr int kServerLifeMilliseconds = 3000;

/// A job that has much to tell.
json Script() {
  json script = {{{"heartbeat", "working"}}};
  for (int i = 0; i < kEvents; ++i) {
    script.push_back({{"send", "BlockDone"}, {"payload", {{"block", i}, {"total", kEvents}}}});
    script.push_back({{"sleep", 0.015}});
  }
  script.push_back({{"pivot", json::object()}});
  script.push_back({{"send", "Done"}});
  return script;
}

class Audience {
 public:
  Audience(int size, uint64_t seed) : random_(seed) {
    server_.SetScript(Script());
    for (int i = 0; i < size; ++i) watchers_.push_back(std::make_unique<CutWatcher>(&books_, &ended_, random_()));
    for (int i = 0; i < size; i += kStreamsAConnection)
      stubs_.push_back(v1::Jobs::NewStub(NewChannel(server_.address())));
  }

  void Run() {
    ASSERT_TRUE(server_.Start());
    for (auto& watcher : watchers_) {
      watcher->Watch(NewestJob());
      ended_.Ended(watcher.get());
    }
    const auto begin = Clock::now();
    auto next_death = begin + milliseconds(kServerLifeMilliseconds);
    while (num_done_ < watchers_.size() && !::testing::Test::HasFailure()) {
      if (CutWatcher* const watcher = ended_.Take(); watcher != nullptr) GoOn(*watcher);
      if (Clock::now() < next_death) continue;
      EndServer();
      if (::testing::Test::HasFatalFailure()) return;
      next_death = Clock::now() + milliseconds(kServerLifeMilliseconds);
    }
    checker_.CheckAll(server_.jobs(), server_.checkpoints());
    server_.Stop();
    Tell(Clock::now() - begin);
  }

 private:
  using Clock = std::chrono::steady_clock;

  BookedJob* NewestJob() {
    if (newest_ != nullptr && !newest_has_ended_) return newest_;
    BookedJob& booked = books_.Add(RequestFor(server_.model(), random_));
    // It is to be there for as long as it is watched.
    booked.request.mutable_job()->mutable_spec()->clear_ttl();
    booked.request.mutable_job()->mutable_spec()->clear_queue_timeout();
    booked.may_vanish = false;
    grpc::ClientContext context;
    v1::Job job;
    const grpc::Status status = server_.jobs().CreateJob(&context, booked.request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    books_.TakeAnswer(booked, job);
    newest_has_ended_ = false;
    return newest_ = &booked;
  }

  void GoOn(CutWatcher& watcher) {
    if (watcher.has_ended()) {
      newest_has_ended_ = true;
      if (watcher.num_cuts() >= kCuts && watcher.num_server_cuts() > 0) {
        ++num_done_;
        return;
      }
      watcher.Watch(NewestJob());
    }
    watcher.Open(*stubs_[next_stub_++ % stubs_.size()]);
  }

  void EndServer() {
    if (++num_deaths_ % 3 == 0) {
      server_.Stop();
    } else {
      server_.Kill();
    }
    ASSERT_TRUE(server_.Start());
  }

  void Tell(Clock::duration took) {
    int most = 0;
    int least = 1 << 30;
    int64_t all = 0;
    for (const auto& watcher : watchers_) {
      least = std::min(least, watcher->num_cuts());
      most = std::max(most, watcher->num_cuts());
      all += watcher->num_cuts();
    }
    EXPECT_GE(least, kCuts);
    std::cout << watchers_.size() << " watchers, " << all << " cuts (" << least << " to " << most << " each), "
              << num_deaths_ << " ends of the server, " << books_.Summary() << ", "
              << std::chrono::duration_cast<std::chrono::seconds>(took).count() << " s\n";
  }

  std::mt19937_64 random_;
  TorturedServer server_;
  Books books_;
  Checker checker_{&books_};
  CutWatchers ended_;
  std::vector<std::unique_ptr<CutWatcher>> watchers_;
  std::vector<std::unique_ptr<v1::Jobs::Stub>> stubs_;
  BookedJob* newest_ = nullptr;
  bool newest_has_ended_ = false;
  size_t next_stub_ = 0;
  size_t num_done_ = 0;
  int num_deaths_ = 0;
};

TEST(WatchersTest, SeeEveryEventOnceInOrderHoweverOftenTheyAreCut) {
  Audience audience(Rounds("PIVOT_TORTURE_WATCHERS", 50), Seed());
  audience.Run();
}

}  // namespace
}  // namespace pivot
