// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_JOB_VIEW_H_
#define PIVOT_CLIENT_VIEW_JOB_VIEW_H_

// What is known of a running job, gathered from its events.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"

namespace pivot::client {

enum class StagePhase { kWaiting, kRunning, kDone };
enum class StageUnit { kSteps, kBytes };

struct StageView {
  std::string name;
  StagePhase phase = StagePhase::kWaiting;
  StageUnit unit = StageUnit::kSteps;
  int64_t done = 0;
  int64_t total = 0;
  std::string detail;
  double elapsed_seconds = 0;
  /// 0 while unknown.
  double remaining_seconds = 0;
  /// Of the newest block.
  std::optional<double> relative_error;
};

struct JobView {
  std::string job;
  v1::State state = v1::STATE_UNSPECIFIED;
  std::string state_reason;
  std::string device;
  int32_t attempt = 0;
  int32_t resumed_blocks = 0;
  /// In the order of the plan, then of appearance.
  std::vector<StageView> stages;
  int64_t host_bytes = 0;
  int64_t gpu_bytes = 0;
  std::optional<v1::Quality> original;
  std::optional<v1::Quality> compressed;
  int32_t warnings = 0;
};

/// The view of a job of which no event came yet: the plan's stages wait.
JobView ViewOf(const v1::Job& job);

void Apply(const v1::JobEvent& event, JobView* view);

/// The stage of this name, added at the end when there is none.
StageView& StageOf(absl::string_view name, JobView* view);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_JOB_VIEW_H_
