// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_STREAM_REACTOR_H_
#define PIVOT_SERVER_HANDLERS_STREAM_REACTOR_H_

// A server's stream of messages that are made one by one in an executor.

#include <grpcpp/support/server_callback.h>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"

#include "server/errors.h"
#include "server/executor.h"
#include "server/grpc_status.h"
#include "server/handlers/stream_registry.h"

namespace pivot {

/// Keeps gRPC's rules for its derived class: one message in flight, Finish once and never during a write, also after a
/// cancel; nothing slow in a reaction. It owns itself until gRPC is done with it.
template <typename Response>
class StreamReactor : public grpc::ServerWriteReactor<Response>,
                      public StoppableStream,
                      public std::enable_shared_from_this<StreamReactor<Response>> {
 public:
  /// Begins. After this the object must not be touched but through Stop() and Wake().
  /// Unless `admission` is OK, the stream ends with it.
  void Begin(StreamRegistry& registry, const absl::Status& admission) {
    self_ = this->shared_from_this();
    if (!admission.ok()) {
      Stop(admission);
    } else if (registry.Add(self_)) {
      Wake();
    } else {
      Stop(Draining());
    }
  }

  void Stop(const absl::Status& status) final {
    const std::lock_guard lock(mutex_);
    if (!stop_.has_value()) stop_ = status;
    if (!writing_ && !working_) FinishLocked(*stop_);
  }

  /// Next() may have something to say now.
  void Wake() {
    const std::lock_guard lock(mutex_);
    again_ = true;
    if (!writing_ && !working_ && !finished_) WorkLocked();
  }

  void OnWriteDone(bool ok) final {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    // Not when the next one is made: of ten thousand who asked for a job's snapshot each would keep one until then.
    message_.Clear();
    if (!ok && !stop_.has_value()) stop_ = absl::CancelledError("the client is gone");
    stop_.has_value() ? FinishLocked(*stop_) : WorkLocked();
  }

  void OnCancel() final { Stop(absl::CancelledError("the call was cancelled")); }

  void OnDone() final {
    std::shared_ptr<StreamReactor> self;  // freed at the end of this function, or by a task that still runs
    absl::Status status;
    {
      const std::lock_guard lock(mutex_);
      self = std::move(self_);
      status = ended_with_;
    }
    Ended(status);
  }

 protected:
  enum class Step {
    kWrite,   // the message is ready
    kWait,    // nothing to say until Wake()
    kFinish,  // the stream ends with the status
  };

  explicit StreamReactor(Executor* executor) : executor_(executor) {}

  /// The next message, in the executor; never two calls at once.
  virtual Step Next(Response* message, absl::Status* status) = 0;

  /// The call is over. The last call on the object.
  virtual void Ended(const absl::Status& status) = 0;

 private:
  void WorkLocked() {
    working_ = true;
    again_ = false;
    executor_->Post([self = this->shared_from_this()] { self->Work(); });
  }

  void Work() {
    absl::Status status;
    const Step step = Next(&message_, &status);
    const std::lock_guard lock(mutex_);
    working_ = false;
    if (stop_.has_value()) {
      FinishLocked(*stop_);
    } else if (step == Step::kFinish) {
      FinishLocked(status);
    } else if (step == Step::kWrite) {
      writing_ = true;
      this->StartWrite(&message_);
    } else if (again_) {
      WorkLocked();
    }
  }

  void FinishLocked(const absl::Status& status) {
    if (finished_) return;
    finished_ = true;
    ended_with_ = status;
    this->Finish(ToGrpcStatus(status));
  }

  Executor* const executor_;
  std::shared_ptr<StreamReactor> self_;

  std::mutex mutex_;
  Response message_;
  bool writing_ = false;
  bool working_ = false;  // Next() runs or is about to
  bool again_ = false;    // woken since Next() began
  bool finished_ = false;
  std::optional<absl::Status> stop_;
  absl::Status ended_with_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_STREAM_REACTOR_H_
