// SPDX-License-Identifier: Apache-2.0
// Executor, timers and hub: what the server's threads meet in.
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/executor.h"
#include "server/hub.h"
#include "server/timer_queue.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

TEST(ExecutorTest, RunsEverythingThatWasPostedBeforeTheStop) {
  std::atomic<int> count = 0;
  Executor executor(3);
  for (int i = 0; i < 1000; ++i) executor.Post([&] { ++count; });
  executor.Stop();
  EXPECT_EQ(count, 1000);
  executor.Post([&] { ++count; });
  EXPECT_EQ(count, 1000);
}

TEST(ExecutorTest, KeepsTheOrderWithOneThread) {
  std::vector<int> order;
  Executor executor(1);
  for (int i = 0; i < 5; ++i) executor.Post([&order, i] { order.push_back(i); });
  executor.Stop();
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(TimerQueueTest, CallsInTheOrderOfTimes) {
  std::mutex mutex;
  std::vector<int> order;
  const auto note = [&](int number) {
    return [&mutex, &order, number] {
      const std::lock_guard lock(mutex);
      order.push_back(number);
    };
  };
  TimerQueue timers;
  const auto now = TimerQueue::Clock::now();
  timers.At(now + std::chrono::milliseconds(20), note(3));
  timers.At(now + std::chrono::milliseconds(10), note(2));
  timers.At(now, note(1));
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return order.size() == 3;
  }));
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2, 3));
}

TEST(TimerQueueTest, CallsTheOnlyOne) {
  std::atomic<int> calls = 0;
  TimerQueue timers;
  for (int i = 1; i <= 3; ++i) {
    timers.At(TimerQueue::Clock::now() + std::chrono::milliseconds(5), [&] { ++calls; });
    EXPECT_TRUE(Eventually([&] { return calls == i; }, std::chrono::seconds(5)));
  }
}

TEST(TimerQueueTest, ForgetsWhatIsNotDueAtItsEnd) {
  std::atomic<bool> called = false;
  {
    TimerQueue().At(TimerQueue::Clock::now() + std::chrono::hours(1), [&] { called = true; });
  }
  EXPECT_FALSE(called);
}

struct CountingWatcher : Watcher {
  std::atomic<int> wakes = 0;
  void Wake() override { ++wakes; }
};

TEST(HubTest, WakesTheWatchersOfOneJob) {
  Hub hub;
  const auto mine = std::make_shared<CountingWatcher>();
  const auto other = std::make_shared<CountingWatcher>();
  hub.Subscribe("a", mine);
  hub.Subscribe("b", other);
  hub.Notify("a");
  hub.Notify("nobody");
  EXPECT_EQ(mine->wakes, 1);
  EXPECT_EQ(other->wakes, 0);
}

TEST(HubTest, ForgetsWatchersThatAreGone) {
  Hub hub;
  auto watcher = std::make_shared<CountingWatcher>();
  hub.Subscribe("a", watcher);
  watcher.reset();
  hub.Notify("a");
}

TEST(HubTest, KeepsTheNewestProgressOnly) {
  Hub hub;
  v1::Progress progress;
  progress.set_done(1);
  hub.SetProgress("a", 1, progress);
  const uint64_t version = hub.Progress("a")->version;
  progress.set_done(2);
  hub.SetProgress("a", 1, progress);
  EXPECT_EQ(hub.Progress("a")->progress.done(), 2);
  EXPECT_GT(hub.Progress("a")->version, version);
  hub.ClearProgress("a");
  EXPECT_FALSE(hub.Progress("a").has_value());
}

}  // namespace
}  // namespace pivot
