// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/cut_watcher.h"

#include <chrono>
#include <grpcpp/grpcpp.h>
#include <utility>

#include "gtest/gtest.h"

namespace pivot {
namespace {

constexpr uint64_t kMessagesACut = 3;  // on average

}  // namespace

void CutWatchers::Ended(CutWatcher* watcher) {
  {
    const std::lock_guard lock(mutex_);
    ended_.push_back(watcher);
  }
  came_.notify_one();
}

CutWatcher* CutWatchers::Take() {
  std::unique_lock lock(mutex_);
  came_.wait_for(lock, std::chrono::milliseconds(20), [&] { return !ended_.empty(); });
  if (ended_.empty()) return nullptr;
  CutWatcher* const watcher = ended_.front();
  ended_.pop_front();
  return watcher;
}

/// Deletes itself at its end.
class CutWatcher::Stream final : public grpc::ClientReadReactor<v1::JobEvent> {
 public:
  Stream(CutWatcher* watcher, v1::Jobs::Stub& jobs) : watcher_(*watcher) {
    v1::WatchJobRequest request;
    request.set_name(watcher_.booked_->name);
    request.set_after_seq(watcher_.last_seq_);
    jobs.async()->WatchJob(&context_, &request, this);
    StartRead(&event_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    had_messages_ = true;
    if (watcher_.TakeMessage(event_)) context_.TryCancel();
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    CutWatcher& watcher = watcher_;
    const bool had_messages = had_messages_;
    delete this;
    watcher.StreamEnded(status, had_messages);
  }

 private:
  CutWatcher& watcher_;
  grpc::ClientContext context_;
  v1::JobEvent event_;
  bool had_messages_ = false;
};

void CutWatcher::Open(v1::Jobs::Stub& jobs) { new Stream(this, jobs); }

bool CutWatcher::TakeMessage(const v1::JobEvent& event) {
  if (event.seq() == 0) return false;
  last_seq_ = books_.TakeEvent(*booked_, event, last_seq_);
  return random_() % kMessagesACut == 0;
}

void CutWatcher::StreamEnded(const grpc::Status& status, bool had_messages) {
  if (status.ok()) {
    has_ended_ = true;
  } else if (status.error_code() == grpc::StatusCode::CANCELLED) {
    own_cuts_ += had_messages ? 1 : 0;
  } else {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
    server_cuts_ += had_messages ? 1 : 0;
  }
  ended_.Ended(this);
}

}  // namespace pivot
