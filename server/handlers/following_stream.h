// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_FOLLOWING_STREAM_H_
#define PIVOT_SERVER_HANDLERS_FOLLOWING_STREAM_H_

// A stream that follows something in the store or on disk from a cursor on.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "server/executor.h"
#include "server/handlers/backend.h"
#include "server/handlers/ended_call.h"
#include "server/handlers/heartbeats.h"
#include "server/handlers/stream_admission.h"
#include "server/handlers/stream_reactor.h"
#include "server/hub.h"

namespace pivot {

/// All that it keeps is a cursor; what comes next is looked up when the last message is through, and when a topic that
/// it has subscribed to wakes it. Counts as a watcher in the metrics while it lives.
template <typename Message>
class FollowingStream : public StreamReactor<Message>, public Watcher {
 public:
  ~FollowingStream() override { backend_.metrics->WatcherLeft(); }

  void Wake() override { StreamReactor<Message>::Wake(); }

 protected:
  using Clock = TimerQueue::Clock;
  using typename StreamReactor<Message>::Step;

  /// `method` of the service Jobs, for the metrics.
  FollowingStream(Executor* executor, Backend& backend, StreamAdmission admission, const char* method)
      : StreamReactor<Message>(executor),
        backend_(backend),
        method_(method),
        admission_(std::move(admission)),
        heartbeats_(backend.timers, backend.heartbeat_interval) {
    backend_.metrics->WatcherCame();
  }

  /// The next message; an error ends the stream. In the executor; never two calls at once.
  virtual absl::StatusOr<Step> Look(Message* message) = 0;

  Backend& backend() const { return backend_; }

  /// For the audit log.
  void CountBytes(size_t bytes) { bytes_ += static_cast<int64_t>(bytes); }

  /// Whether silence has lasted for long enough. If not, Look is called again when it has.
  bool HeartbeatIsDue() { return heartbeats_.IsDue(Self()); }

  std::shared_ptr<Watcher> Self() { return std::static_pointer_cast<FollowingStream>(this->shared_from_this()); }

 private:
  Step Next(Message* message, absl::Status* status) final {
    *status = admission_.CheckAgain();
    if (!status->ok()) return Step::kFinish;
    const auto step = Look(message);
    if (!step.ok()) *status = step.status();
    if (step.ok() && *step == Step::kWrite) heartbeats_.Sent();
    return step.value_or(Step::kFinish);
  }

  void Ended(const absl::Status& status) final {
    WriteDown({.service = "Jobs",
               .method = method_,
               .access = admission_.access(),
               .status = status,
               .begin = begin_,
               .bytes = bytes_},
              backend_);
  }

  Backend& backend_;
  const char* const method_;
  const Clock::time_point begin_ = Clock::now();
  // Used by Next() alone, and at the end.
  StreamAdmission admission_;
  Heartbeats heartbeats_;
  std::atomic<int64_t> bytes_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_FOLLOWING_STREAM_H_
