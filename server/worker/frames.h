// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_FRAMES_H_
#define PIVOT_SERVER_WORKER_FRAMES_H_

// What the worker's frames say, read with the distrust that a crashing process deserves. Errors are kDataLoss.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/event.pb.h"

#include "proto/worker/frame.h"
#include "server/artifact/staged_folder.h"
#include "server/store/records.h"
#include "server/worker/outcome.h"

namespace pivot {

struct HelloFrame {
  std::string device_name;
  int threads = 0;
};

struct HeartbeatFrame {
  uint64_t phase = 0;
  int64_t peak_host_bytes = 0;
  int64_t peak_gpu_bytes = 0;
};

absl::StatusOr<HelloFrame> ReadHello(const Frame& frame);
absl::StatusOr<HeartbeatFrame> ReadHeartbeat(const Frame& frame);
absl::StatusOr<v1::Progress> ReadProgress(const Frame& frame);
absl::StatusOr<StagedPivot> ReadPivotStaged(const Frame& frame);
absl::StatusOr<std::optional<v1::Result>> ReadDone(const Frame& frame);
absl::StatusOr<WorkerError> ReadError(const Frame& frame);

/// StageStarted, BlockDone, StageDone, QualityMeasured and Warning; nothing for other types.
absl::StatusOr<std::optional<v1::JobEvent>> ReadEvent(const Frame& frame);

struct StartOptions {
  int attempt = 0;
  bool on_gpu = false;
  int64_t gpu_budget_bytes = 0;  // what it may use of the GPU's memory; 0: all
  bool resume = false;
};

/// The Start frame. The spec's device becomes the worker's own view: "cpu", or "cuda:0", the only GPU that it sees.
nlohmann::json StartPayload(const JobRecord& record, const StartOptions& options);

/// Whether a worker goes on behind its first published checkpoint, and may be long at it; else it ends soon by itself.
bool HasLaterStages(const v1::JobSpec& spec);

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_FRAMES_H_
