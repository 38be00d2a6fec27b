// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_WORKER_CHANNEL_H_
#define PIVOT_ENGINE_WORKER_CHANNEL_H_

// The worker's end of the conversation with pivotd (proto/worker.md).

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "engine/job_hooks.h"
#include "engine/ops/device.h"
#include "proto/worker/frame.h"

namespace pivot {

/// Sends frames from any thread, beats every second, and listens for the server on a thread of its own. When the server
/// is gone the process ends at once: nobody wants its work any more.
class WorkerChannel {
 public:
  explicit WorkerChannel(int fd);
  ~WorkerChannel();
  WorkerChannel(const WorkerChannel&) = delete;
  WorkerChannel& operator=(const WorkerChannel&) = delete;

  /// Says Hello, waits for Start, then begins to beat and to listen.
  absl::StatusOr<Frame> Begin(const ComputeDevice& device);

  void Send(FrameType type, const nlohmann::json& payload);
  bool is_cancelled() const { return is_cancelled_; }

  /// The hooks of a job that reports through this channel; valid while it lives.
  JobHooks MakeHooks();

 private:
  absl::Status Publish(const StagedPivot& staged);
  void SendProgress(const StageProgress& progress);
  void Beat();
  void Listen();

  WorkerSocket socket_;
  std::mutex send_mutex_;
  ComputeDevice device_;
  std::atomic<uint64_t> phase_{0};
  std::atomic<bool> is_cancelled_{false};
  std::atomic<bool> is_stopping_{false};
  std::chrono::steady_clock::time_point last_progress_;

  std::mutex answer_mutex_;
  std::condition_variable answer_arrived_;
  std::optional<absl::Status> answer_;  // to the last PivotStaged

  std::thread heart_;
  std::thread listener_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_WORKER_CHANNEL_H_
