// SPDX-License-Identifier: Apache-2.0
// SIGTERM of a server that is busy with everything, PIVOT_TORTURE_DRAINS times: how long it takes, and whether
// everybody goes on.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/support/eventually.h"
#include "tests/torture/checker.h"
#include "tests/torture/client.h"
#include "tests/torture/rounds.h"
#include "tests/torture/tortured_server.h"

namespace pivot {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kClients = 4;
constexpr int kWatchers = 16;
constexpr auto kLongestDrain = std::chrono::seconds(40);

/// Workers that do not heed SIGTERM, and never end by themselves.
json StubbornScript() {
  return {{{"ignore_sigterm", true}},
          {{"heartbeat", "working"}},
          {{"write", "journal.jsonl"}, {"text", "{}\n"}},
          {{"send", "BlockDone"}, {"payload", {{"block", 0}, {"total", 2}}}},
          {{"hang", true}}};
}

int CountRunning(v1::Jobs::Stub& jobs) {
  grpc::ClientContext context;
  v1::ListJobsRequest request;
  request.set_parent(kProject);
  request.set_filter("state = RUNNING");
  v1::ListJobsResponse response;
  return jobs.ListJobs(&context, request, &response).ok() ? response.jobs_size() : 0;
}

TEST(DrainTest, EndsInTimeUnderLoadAndEverybodyGoesOn) {
  const int rounds = Rounds("PIVOT_TORTURE_DRAINS", 1);
  std::mt19937_64 random(Seed());
  TorturedServer server;
  Books books;
  Checker checker(&books);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<Client>(&books, server.model(), random()));
  Clock::duration longest{};
  for (int i = 0; i < rounds && !::testing::Test::HasFailure(); ++i) {
    server.SetScript(StubbornScript());
    ASSERT_TRUE(server.Start());
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (auto& client : clients) threads.emplace_back([&] { client->Run(server.jobs(), stop); });
    for (int watcher = 0; watcher < kWatchers; ++watcher)
      threads.emplace_back([&, seed = random()] { WatchJobs(books, server.jobs(), seed, stop); });
    EXPECT_TRUE(Eventually([&] { return CountRunning(server.jobs()) >= 2; })) << "nothing runs";
    const auto begin = Clock::now();
    server.Stop();
    longest = std::max(longest, Clock::now() - begin);
    EXPECT_LE(Clock::now() - begin, kLongestDrain);
    stop = true;
    for (std::thread& thread : threads) thread.join();

    server.SetScript({{{"pivot", json::object()}}, {{"send", "Done"}}});
    ASSERT_TRUE(server.Start());
    checker.CheckAll(server.jobs(), server.checkpoints());
    server.Stop();
  }
  CheckDataFolder(server.data());
  std::cout << rounds << " drains, the longest "
            << std::chrono::duration_cast<std::chrono::milliseconds>(longest).count() << " ms; " << books.Summary()
            << "\n";
}

}  // namespace
}  // namespace pivot
