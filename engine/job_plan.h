// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_JOB_PLAN_H_
#define PIVOT_ENGINE_JOB_PLAN_H_

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/plan_trial.h"

namespace pivot {

/// MeasurePlan and SettlePlan. What they found is kept in allocation.json of the staging folder, and used again by the
/// next attempt at work of the same identity.
absl::StatusOr<MeasuredPlan> MakeJobPlan(const TrialInput& input, const std::string& staging_folder,
                                         const nlohmann::json& identity, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_JOB_PLAN_H_
