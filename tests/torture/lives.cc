// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/lives.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

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

}  // namespace

Lives::Lives(uint64_t seed) : random_(seed) {
  server_.SetScript(Script());
  for (int i = 0; i < kClients; ++i) clients_.push_back(std::make_unique<Client>(&books_, server_.model(), random_()));
}

void Lives::Kill() {
  server_.Kill();
  if (after_kill_) after_kill_(random_);
}

void Lives::Start() {
  while (random_() % 4 == 0) {
    server_.Launch(environment_);
    std::this_thread::sleep_for(milliseconds(random_() % kStartMilliseconds));
    Kill();
    ++kills_in_start_;
  }
  ASSERT_TRUE(server_.Start(environment_)) << server_.EndAndTell();
}

void Lives::LiveAndDie() {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (auto& client : clients_) threads.emplace_back([&] { client->Run(server_.jobs(), stop); });
  for (int i = 0; i < kWatchers; ++i)
    threads.emplace_back([&, seed = random_()] { WatchJobs(books_, server_.jobs(), seed, stop); });
  threads.emplace_back([&] { WatchProject(books_, server_.jobs(), log_); });
  std::this_thread::sleep_for(milliseconds(random_() % kLongestMilliseconds));
  Kill();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  ++kills_;
}

void Lives::Run(int kills) {
  while (kills_ + kills_in_start_ < kills && !::testing::Test::HasFailure()) {
    Start();
    if (::testing::Test::HasFatalFailure()) return;
    checker_.Check(server_.jobs(), server_.checkpoints());
    LiveAndDie();
  }
  ASSERT_TRUE(server_.Start(environment_)) << server_.EndAndTell();
  checker_.CheckAll(server_.jobs(), server_.checkpoints());
  server_.Stop();
  CheckDataFolder(server_.data());
}

std::string Lives::Summary() {
  int64_t answers = 0;
  for (const auto& client : clients_) answers += client->num_answers();
  return absl::StrCat(kills_, " kills under load and ", kills_in_start_, " while it started: ", answers, " answers, ",
                      books_.Summary());
}

}  // namespace pivot
