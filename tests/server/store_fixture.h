// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_STORE_FIXTURE_H_
#define PIVOT_TESTS_SERVER_STORE_FIXTURE_H_

// A store in a folder of its own, and short ways to fill it.

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

#include "server/store/store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {

inline NewJob SomeJob(const std::string& id = "", int priority = 0) {
  NewJob job{.project = "p", .id = id, .max_queued = 1000};
  job.spec.mutable_compress()->mutable_source()->set_path("/models/a");
  job.spec.set_priority(priority);
  return job;
}

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(
        store_,
        Store::Open(folder_ / "pivot.db",
                    {.committed = [this](const std::string&, const v1::JobEvent& event) { told_.push_back(event); },
                     .commit_took = nullptr,
                     .now = [this] { return absl::Now() + ahead_; }}));
  }

  std::string Create(const NewJob& job) {
    const auto uid = store_->CreateJob(job);
    EXPECT_OK(uid);
    return uid.value_or("");
  }

  QueuedJob Queued(const std::string& uid) {
    for (const QueuedJob& job : store_->ReadQueue().value_or(std::vector<QueuedJob>{})) {
      if (job.uid == uid) return job;
    }
    ADD_FAILURE() << uid << " is not queued";
    return {};
  }

  AttemptKey Claim(const std::string& uid, const std::string& device = "cpu") {
    const auto key = store_->Claim(Queued(uid), device, device);
    EXPECT_OK(key);
    return key.value_or(AttemptKey{});
  }

  v1::State StateOf(const std::string& uid) { return store_->ReadJobHead(uid).value_or(JobHead{}).state; }

  std::vector<v1::JobEvent> Events(const std::string& uid) {
    std::vector<v1::JobEvent> events;
    for (uint64_t seq = 1;; ++seq) {
      auto event = store_->ReadEvent(uid, seq);
      EXPECT_OK(event);
      if (!event.ok() || !event->has_value()) return events;
      events.push_back(**event);
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
  std::vector<v1::JobEvent> told_;
  absl::Duration ahead_;  // of the store's clock
};

inline v1::JobEvent SomeEvent() {
  v1::JobEvent event;
  event.mutable_stage_started()->set_stage("layerwise");
  return event;
}

inline v1::Attempt EndedWith(const std::string& cause, int number = 1) {
  v1::Attempt attempt;
  attempt.set_number(number);
  attempt.set_cause(cause);
  return attempt;
}

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_STORE_FIXTURE_H_
