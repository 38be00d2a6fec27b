// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_TRIAL_H_
#define PIVOT_ENGINE_PLAN_TRIAL_H_

// A plan is never worse than the uniform model of the same bytes: where the estimates of the two are close, both are
// made of a part of the text and measured.

#include <ATen/core/Tensor.h>
#include <string>

#include "absl/status/status.h"

#include "engine/allocate/measured_plan.h"
#include "engine/forward/weights.h"
#include "engine/job_hooks.h"
#include "engine/ops/device.h"
#include "engine/plan/work.h"

namespace pivot {

struct TrialInput {
  const WeightReader* source = nullptr;
  const CompressSpec* spec = nullptr;
  const ComputeDevice* device = nullptr;
  at::Tensor windows;  // [count, length] int64: the job's calibration
  std::string folder;  // is made for the trials, and removed
};

/// Estimates whose quotient is smaller are believed without a trial. They are off by up to a fifth.
inline constexpr double kSureMargin = 0.75;

/// Nothing to place on a CPU.
ActivationPlacement PlaceOn(const ComputeDevice& device, const ModelConfig& config, const CompressSpec& spec);

/// Where the plan's estimate is more than kSureMargin of the uniform choice's, runs the layer-wise stage for both on
/// some of the windows, measures KL on others, and gives the plan the uniform choice's schemes if that is the better
/// one. Adds "comparison" to the plan's report, and does nothing where an earlier attempt has. Nothing to compare: one
/// window, no uniform choice that fits, or a plan that is uniform.
///
/// Errors: kCancelled, and those of the stage. Cost: two passes over at most kTrialTokens (plan_trial.cc).
absl::Status SettlePlan(const TrialInput& input, const JobHooks& hooks, MeasuredPlan& plan);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_TRIAL_H_
