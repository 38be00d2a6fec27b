// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_LAUNCHER_H_
#define PIVOT_SERVER_WORKER_LAUNCHER_H_

// Starts worker processes.

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "proto/worker/frame.h"
#include "server/process/spawn.h"
#include "server/process/unique_fd.h"
#include "server/scheduler/device.h"

namespace pivot {

struct LaunchedWorker {
  ChildProcess process;
  WorkerSocket socket;
  UniqueFd output;  // what it writes to stdout and stderr, not blocking
};

class WorkerLauncher {
 public:
  virtual ~WorkerLauncher() = default;

  /// Starts a worker for a device. Call from a thread that lives as long as the workers: they ask to be killed when the
  /// thread that started them ends.
  virtual absl::StatusOr<LaunchedWorker> Launch(const Device& device) = 0;
};

/// Starts pivot-worker.
class ProcessLauncher : public WorkerLauncher {
 public:
  struct Options {
    std::string program;
    std::vector<std::string> environment;  // of the server; what passes on is in process/environment.h
    std::string torch_path_file;
  };
  explicit ProcessLauncher(Options options) : options_(std::move(options)) {}

  /// kFailedPrecondition TORCH_NOT_FOUND, kInternal WORKER_NOT_STARTED.
  absl::StatusOr<LaunchedWorker> Launch(const Device& device) override;

 private:
  const Options options_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_LAUNCHER_H_
