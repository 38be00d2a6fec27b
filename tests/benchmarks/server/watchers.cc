// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/watchers.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace pivot {
namespace {

constexpr size_t kStreamsOfAConnection = 200;
constexpr auto kLongestWait = std::chrono::seconds(60);

absl::Time TimeOf(const v1::JobEvent& event) {
  return absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
}

}  // namespace

class Watchers::Stream final : public grpc::ClientReadReactor<v1::JobEvent> {
 public:
  Stream(Watchers* watchers, v1::Jobs::Stub& stub, const std::string& job) : watchers_(watchers) {
    request_.set_name(job);
    request_.set_snapshot_first(true);
    // The job's past is not of interest.
    request_.set_after_seq(1);
    stub.async()->WatchJob(&context_, &request_, this);
    StartRead(&event_);
    StartCall();
  }

  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    watchers_->Came(event_);
    // Not when the next one is read: to free a thousand snapshots would count as the time of the first event.
    event_.Clear();
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& /*status*/) override {
    // Under the lock: once the last has ended the watchers may go.
    const std::lock_guard lock(watchers_->mutex_);
    ++watchers_->ended_;
    watchers_->changed_.notify_all();
  }

 private:
  Watchers* const watchers_;
  grpc::ClientContext context_;
  v1::WatchJobRequest request_;
  v1::JobEvent event_;
};

Watchers::Watchers(const ServedPivotd& served) : served_(served) {}

Watchers::~Watchers() {
  for (const auto& stream : streams_) stream->Cancel();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_ == static_cast<int64_t>(streams_.size()); });
}

absl::Status Watchers::Open(const std::string& job, int total) {
  for (size_t i = streams_.size(); i < static_cast<size_t>(total); ++i) {
    if (i % kStreamsOfAConnection == 0) stubs_.push_back(v1::Jobs::NewStub(served_.Connect()));
    streams_.push_back(std::make_unique<Stream>(this, *stubs_.back(), job));
  }
  std::unique_lock lock(mutex_);
  wanted_ = total;
  const bool all = changed_.wait_for(lock, kLongestWait, [&] { return snapshots_ == total || ended_ > 0; });
  return all && ended_ == 0 ? absl::OkStatus()
                            : absl::UnavailableError(absl::StrCat("of ", total, " watchers ", snapshots_, " came up"));
}

absl::Status Watchers::AwaitEvents(int count) {
  std::unique_lock lock(mutex_);
  wanted_ = static_cast<int64_t>(streams_.size()) * count;
  const bool all = changed_.wait_for(lock, kLongestWait, [&] { return events_ >= wanted_ || ended_ > 0; });
  if (!all || ended_ > 0) return absl::DataLossError(absl::StrCat(events_, " events came instead of ", wanted_));
  events_ = 0;
  return absl::OkStatus();
}

void Watchers::Came(const v1::JobEvent& event) {
  const absl::Time now = absl::Now();
  if (event.seq() > 0) latencies_.Add(now - TimeOf(event));
  const std::lock_guard lock(mutex_);
  if (event.has_snapshot()) ++snapshots_;
  if (event.seq() > 0) ++events_;
  // Not each time: who waits would take the processors from the streams.
  if (snapshots_ == wanted_ || events_ == wanted_) changed_.notify_all();
}

}  // namespace pivot
