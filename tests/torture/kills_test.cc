// SPDX-License-Identifier: Apache-2.0
// kill -9 of the server at any moment under load: PIVOT_TORTURE_KILLS times.
#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/torture/checker.h"
#include "tests/torture/client.h"
#include "tests/torture/rounds.h"
#include "tests/torture/tortured_server.h"

namespace pivot {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr int kClients = 4;
constexpr int kWatchers = 4;
constexpr int kLongestMilliseconds = 300;
constexpr int kStartMilliseconds = 120;  // about what a start takes

/// Two blocks, some words, a pivot; the second attempt of a job crashes.
json Script() {
  return {{{"attempt", 2}, {"signal", SIGSEGV}},
          {{"heartbeat", "working"}},
          {{"write", "journal.jsonl"}, {"text", "{}\n"}},
          {{"send", "StageStarted"}, {"payload", {{"stage", "layerwise"}, {"total", 2}}}},
          {{"send", "BlockDone"}, {"payload", {{"block", 0}, {"total", 2}}}},
          {{"print", "half of it"}},
          {{"sleep", 0.01}},
          {{"send", "BlockDone"}, {"payload", {{"block", 1}, {"total", 2}}}},
          {{"pivot", {{"files", {{"config.json", "{}"}, {"model.safetensors", 20000}, {"pivot/plan.json", "{}"}}}}}},
          {{"send", "Done"}}};
}

class Kills {
 public:
  explicit Kills(uint64_t seed) : random_(seed) {
    server_.SetScript(Script());
    for (int i = 0; i < kClients; ++i)
      clients_.push_back(std::make_unique<Client>(&books_, server_.model(), random_()));
  }

  /// One life of the server that ends while everybody is at it; then one that is looked at.
  void LiveAndDie() {
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (auto& client : clients_) threads.emplace_back([&] { client->Run(server_.jobs(), stop); });
    for (int i = 0; i < kWatchers; ++i) {
      threads.emplace_back([&, seed = random_()] { WatchJobs(books_, server_.jobs(), seed, stop); });
    }
    threads.emplace_back([&] { WatchProject(books_, server_.jobs(), log_); });
    std::this_thread::sleep_for(milliseconds(random_() % kLongestMilliseconds));
    server_.Kill();
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }

  void Start() {
    // Some die before they are ready.
    while (random_() % 4 == 0) {
      server_.Launch();
      std::this_thread::sleep_for(milliseconds(random_() % kStartMilliseconds));
      server_.Kill();
      ++kills_in_start_;
    }
    ASSERT_TRUE(server_.Start());
  }

  void Run(int rounds) {
    for (int i = 0; i + kills_in_start_ < rounds && !::testing::Test::HasFailure(); ++i) {
      Start();
      if (::testing::Test::HasFatalFailure()) return;
      checker_.Check(server_.jobs(), server_.checkpoints());
      LiveAndDie();
      ++kills_;
    }
    ASSERT_TRUE(server_.Start());
    checker_.CheckAll(server_.jobs(), server_.checkpoints());
    server_.Stop();
    CheckDataFolder(server_.data());
    int64_t answers = 0;
    for (const auto& client : clients_) answers += client->num_answers();
    std::cout << kills_ << " kills under load and " << kills_in_start_ << " while it started: " << answers
              << " answers, " << books_.Summary() << "\n";
  }

 private:
  std::mt19937_64 random_;
  TorturedServer server_;
  Books books_;
  Checker checker_{&books_};
  ProjectLog log_;
  std::vector<std::unique_ptr<Client>> clients_;
  int kills_ = 0;
  int kills_in_start_ = 0;
};

TEST(KillsTest, NothingThatWasAcknowledgedIsLostByAnyKill) {
  Kills kills(Seed());
  kills.Run(Rounds("PIVOT_TORTURE_KILLS", 20));
}

}  // namespace
}  // namespace pivot
