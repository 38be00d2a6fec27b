// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_WORKER_OUTPUT_H_
#define PIVOT_SERVER_WORKER_WORKER_OUTPUT_H_

// From a worker's standard output and error to the log of its attempt.

#include <string>
#include <utility>

#include "server/process/unique_fd.h"
#include "server/worker/attempt_log.h"

namespace pivot {

class WorkerOutput {
 public:
  explicit WorkerOutput(std::string folder) : log_(std::move(folder)) {}

  /// `pipe` must not block.
  void Begin(UniqueFd pipe) { pipe_ = std::move(pipe); }

  /// -1 when there is nothing to wait for.
  int fd() const { return pipe_.get(); }

  enum class Came { kNothing, kSomething };
  /// Takes what is there, up to a bound: a talkative worker must not keep the others waiting.
  Came Read();

  /// The worker has ended: takes the rest. Who else may still hold the other end is not waited for.
  Came Finish();

  std::string Tail() const { return log_.Tail(); }

 private:
  UniqueFd pipe_;  // invalid once closed
  LogWriter log_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_WORKER_OUTPUT_H_
