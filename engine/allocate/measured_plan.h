// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_ALLOCATE_MEASURED_PLAN_H_
#define PIVOT_ENGINE_ALLOCATE_MEASURED_PLAN_H_

// The plan of a job whose budget is to be spent where it matters.

#include <ATen/core/Tensor.h>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/model_schemes.h"
#include "engine/forward/weights.h"
#include "engine/job_hooks.h"

namespace pivot {

struct MeasuredPlan {
  ModelSchemes schemes;
  /// Sum of the choices' costs, and of the widest uniform choice that fits the same bytes; nats a token.
  double cost = 0;
  double uniform_cost = 0;
  /// That uniform choice; nothing when none fits.
  std::optional<WeightScheme> uniform;
  /// For the report: curve, probes, costs of every choice.
  nlohmann::json report;
};

/// Measures what choices cost (MeasureSensitivity) on the first of the calibration windows, and allocates the spec's
/// budget. `known`: the report of an earlier attempt at the same work, whose costs are used again; null: none.
absl::StatusOr<MeasuredPlan> MeasurePlan(const WeightReader& source, const CompressSpec& spec,
                                         const at::Tensor& windows, const nlohmann::json& known, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_ALLOCATE_MEASURED_PLAN_H_
