// SPDX-License-Identifier: Apache-2.0
// What every store must do when several threads write at once.
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/server/store_fixture.h"

namespace pivot {
namespace {

constexpr int kThreads = 8;
constexpr int kEach = 25;

class StoreThreadsTest : public ::testing::Test {
 protected:
  StoreThreadsTest() {
    auto opened = Store::Open(folder_ / "pivot.db", {.committed = [this](const std::string& uid, const v1::JobEvent&) {
                                const std::lock_guard lock(mutex_);
                                ++told_[uid];
                              }});
    EXPECT_OK(opened);
    if (opened.ok()) store_ = *std::move(opened);
  }

  template <typename Work>
  static void OnAllThreads(const Work& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&work, i] { work(i); });
    for (std::thread& thread : threads) thread.join();
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
  std::mutex mutex_;
  std::map<std::string, int> told_;
};

TEST_F(StoreThreadsTest, KeepEachOthersWorkAndNothingOfWhatFailed) {
  std::atomic<int> created = 0;
  std::atomic<int> refused = 0;
  OnAllThreads([&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      if (store_->CreateJob(SomeJob(absl::StrCat("own-", thread, "-", i))).ok()) ++created;
      const auto same = store_->CreateJob(SomeJob(absl::StrCat("same-", i)));
      if (same.ok()) ++created;
      if (ReasonOf(same.status()) == "JOB_EXISTS") ++refused;
    }
  });
  EXPECT_EQ(created, kThreads * kEach + kEach);
  EXPECT_EQ(refused, (kThreads - 1) * kEach);
  const std::vector<QueuedJob> queue = store_->ReadQueue().value();
  EXPECT_EQ(queue.size(), static_cast<size_t>(created));
  EXPECT_EQ(store_->ReadProjectSeq("p").value(), static_cast<uint64_t>(created))
      << "an event each, none of the refused";
  std::set<int64_t> times;
  for (const QueuedJob& job : queue) {
    times.insert(job.create_us);
    EXPECT_EQ(told_[job.uid], 1);
    EXPECT_TRUE(store_->ReadEvent(job.uid, 1).value().has_value());
  }
  EXPECT_EQ(times.size(), queue.size()) << "no two writes have the same time";
  EXPECT_EQ(told_.size(), queue.size());
}

TEST_F(StoreThreadsTest, DoNotQueueMoreThanMayWait) {
  std::atomic<int> created = 0;
  const auto fill = [&](int /*thread*/) {
    for (int i = 0; i < kEach; ++i) {
      NewJob job = SomeJob();
      job.max_queued = 10;
      if (store_->CreateJob(job).ok()) ++created;
    }
  };
  OnAllThreads(fill);
  EXPECT_EQ(created, 10);
  ASSERT_OK(store_->SteerJob(store_->ReadQueue()->at(0).uid, Steer::kCancel));
  store_.reset();
  store_ = Store::Open(folder_ / "pivot.db").value();
  OnAllThreads(fill);
  EXPECT_EQ(created, 11) << "counted anew at the start";
}

}  // namespace
}  // namespace pivot
