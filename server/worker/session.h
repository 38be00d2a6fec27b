// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_SESSION_H_
#define PIVOT_SERVER_WORKER_SESSION_H_

// One worker process from its start to its end: frames in, events out. One thread, the supervisor's.

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "proto/worker/frame.h"
#include "server/artifact/publisher.h"
#include "server/data_folder.h"
#include "server/hub.h"
#include "server/scheduler/scheduler.h"
#include "server/store/store.h"
#include "server/worker/launcher.h"
#include "server/worker/outcome.h"
#include "server/worker/watchdog.h"
#include "server/worker/worker_output.h"

namespace pivot {

class WorkerSession {
 public:
  using Clock = Watchdog::Clock;

  struct Parts {
    Store* store;
    Hub* hub;
    const DataFolder* data;
    WatchdogLimits limits;
    /// Begins a publication; Published() tells how it went.
    std::function<void(PublishRequest)> publish;
  };

  WorkerSession(const Parts& parts, JobRecord record, Assignment assignment);

  /// Starts the process. When that fails, the session has ended.
  void Launch(WorkerLauncher& launcher, Clock::time_point now);

  /// Instead of Launch(): it ends before it began.
  void Skip() { process_ended_ = true; }

  // What may happen to it.
  void ReadFrames(Clock::time_point now);
  void ReadOutput(Clock::time_point now);
  void ProcessEnded(Clock::time_point now);
  void Cancel(Clock::time_point now);
  void Suspend(Clock::time_point now);
  /// Its device is for another job; it goes back to the queue. Not once it publishes.
  void Preempt(Clock::time_point now);
  void Stop();
  void Published(const absl::StatusOr<v1::CheckpointRef>& result, Clock::time_point now);
  void CheckClock(Clock::time_point now);
  /// When CheckClock() may have something to do, or its output may be read again.
  Clock::time_point next_check(Clock::time_point now) const {
    return output_.next_read() > now ? std::min(output_.next_read(), watchdog_.next_check()) : watchdog_.next_check();
  }

  /// -1 when there is nothing to wait for.
  int socket_fd() const { return socket_.has_value() ? socket_->fd() : -1; }
  int process_fd() const { return process_.pidfd.get(); }
  int output_fd(Clock::time_point now) const { return output_.fd(now); }

  /// The process is gone and nothing of it is being published.
  bool ended() const { return process_ended_ && !publishing_; }

  // Once it has ended.
  Outcome outcome() const { return Judge(facts_); }
  v1::Attempt Report() const;
  const std::optional<v1::Result>& result() const { return result_; }

  const v1::Attempt& attempt() const { return attempt_; }
  const JobRecord& record() const { return record_; }
  const AttemptKey& key() const { return assignment_.key; }

 private:
  void HandleFrame(const Frame& frame, Clock::time_point now);
  absl::Status DispatchFrame(const Frame& frame, Clock::time_point now);
  absl::Status HandleHello(const Frame& frame);
  absl::Status HandleHeartbeat(const Frame& frame, Clock::time_point now);
  absl::Status HandlePivotStaged(const Frame& frame);
  absl::Status HandleDone(const Frame& frame, Clock::time_point now);
  absl::Status SendStart();
  void Append(v1::JobEvent event);
  /// The attempt has had its run_timeout.
  void TimeOut(Clock::time_point now);
  /// To end at the next block boundary.
  void AskToEnd(Clock::time_point now);
  /// The worker is of no more use.
  void Abandon();

  const Parts parts_;
  const JobRecord record_;
  const Assignment assignment_;
  Watchdog watchdog_;
  ChildProcess process_;
  std::optional<WorkerSocket> socket_;  // absent once closed
  WorkerOutput output_;

  bool greeted_ = false;
  bool finished_ = false;  // a last frame has come
  bool publishing_ = false;
  bool published_ = false;
  bool process_ended_ = false;
  int staged_number_ = 0;
  uint64_t phase_ = 0;
  v1::Attempt attempt_;
  std::optional<v1::Result> result_;
  AttemptFacts facts_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_SESSION_H_
