// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_FOLLOWING_STREAM_H_
#define PIVOT_SERVER_HANDLERS_FOLLOWING_STREAM_H_

// A stream that follows something in the store or on disk from a cursor on.

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "server/executor.h"
#include "server/handlers/backend.h"
#include "server/handlers/heartbeats.h"
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
  FollowingStream(Executor* executor, Backend& backend, const char* method)
      : StreamReactor<Message>(executor),
        backend_(backend),
        method_(method),
        heartbeats_(backend.timers, backend.heartbeat_interval) {
    backend_.metrics->WatcherCame();
  }

  /// The next message; an error ends the stream. In the executor; never two calls at once.
  virtual absl::StatusOr<Step> Look(Message* message) = 0;

  Backend& backend() const { return backend_; }

  /// Whether silence has lasted for long enough. If not, Look is called again when it has.
  bool HeartbeatIsDue() { return heartbeats_.IsDue(Self()); }

  std::shared_ptr<Watcher> Self() { return std::static_pointer_cast<FollowingStream>(this->shared_from_this()); }

 private:
  Step Next(Message* message, absl::Status* status) final {
    const auto step = Look(message);
    if (!step.ok()) *status = step.status();
    if (step.ok() && *step == Step::kWrite) heartbeats_.Sent();
    return step.value_or(Step::kFinish);
  }

  void Ended(const absl::Status& status) final {
    backend_.metrics->CallHandled("Jobs", method_, status.code(), absl::FromChrono(Clock::now() - begin_));
  }

  Backend& backend_;
  const char* const method_;
  const Clock::time_point begin_ = Clock::now();
  Heartbeats heartbeats_;  // used by Next() alone
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_FOLLOWING_STREAM_H_
