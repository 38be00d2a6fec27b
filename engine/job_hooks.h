// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_JOB_HOOKS_H_
#define PIVOT_ENGINE_JOB_HOOKS_H_

// How a running job tells what happens and learns that it shall stop. Each function may be empty; all are called from
// the job's thread.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

#include "engine/evaluate/quality.h"

namespace pivot {

struct StageProgress {
  std::string stage;
  int done = 0;
  int total = 0;
  std::string detail;
  double elapsed_seconds = 0;
  double remaining_seconds = 0;  // 0: unknown
};

struct BlockProgress {
  std::string stage;
  int block = 0;
  int total = 0;
  double seconds = 0;
  double relative_error = 0;
  bool resumed = false;
};

/// A complete folder that waits to be published.
struct StagedPivot {
  int number = 0;
  std::string directory;  // below the staging folder
  double bits_per_weight = 0;
  double model_bits_per_weight = 0;
  nlohmann::json quality;  // JSON form of pivot.v1.Quality, null when nothing was measured
  double seconds = 0;
  std::string source_name;
  std::string source_digest;
};

struct JobHooks {
  std::function<bool()> is_cancelled;
  std::function<void(const std::string& stage, int total)> stage_started;
  std::function<void(const StageProgress&)> progress;
  std::function<void(const BlockProgress&)> block_done;
  std::function<void(const std::string& stage, double seconds, double flops)> stage_done;
  std::function<void(const std::string& subject, const Quality&)> quality_measured;
  std::function<void(const std::string& reason, const std::string& message)> warning;
  /// Hands the folder over and waits until it is visible to clients, or why it is not.
  std::function<absl::Status(const StagedPivot&)> publish;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_JOB_HOOKS_H_
