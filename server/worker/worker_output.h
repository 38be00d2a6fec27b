// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_WORKER_OUTPUT_H_
#define PIVOT_SERVER_WORKER_WORKER_OUTPUT_H_

// From a worker's standard output and error to the log of its attempt.

#include <string>
#include <utility>

#include "server/process/unique_fd.h"
#include "server/worker/attempt_log.h"
#include "server/worker/output_pace.h"

namespace pivot {

class WorkerOutput {
 public:
  using Clock = OutputPace::Clock;

  explicit WorkerOutput(std::string folder) : log_(std::move(folder)), pace_({}, Clock::now()) {}

  /// `pipe` must not block.
  void Begin(UniqueFd pipe) { pipe_ = std::move(pipe); }

  /// -1 when there is nothing to wait for, or not yet.
  int fd(Clock::time_point now) const { return next_read() > now ? -1 : pipe_.get(); }

  /// When the pipe may be read again: who writes without end has to wait, and the disk and this process do not. In the
  /// past: now.
  Clock::time_point next_read() const { return pipe_.valid() ? pace_.next() : Clock::time_point::min(); }

  enum class Came { kNothing, kSomething };
  /// Takes what is there, up to a bound: a talkative worker must not keep the others waiting.
  Came Read(Clock::time_point now);

  /// The worker has ended: takes the rest. Who else may still hold the other end is not waited for.
  Came Finish();

  std::string Tail() const { return log_.Tail(); }

 private:
  /// How many bytes came.
  int64_t Take();

  UniqueFd pipe_;  // invalid once closed
  LogWriter log_;
  OutputPace pace_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_WORKER_OUTPUT_H_
