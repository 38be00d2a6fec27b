// SPDX-License-Identifier: Apache-2.0
#include "engine/job_plan.h"

#include <fstream>

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {

using nlohmann::json;

absl::StatusOr<MeasuredPlan> MakeJobPlan(const TrialInput& input, const std::string& staging_folder,
                                         const json& identity, const JobHooks& hooks) {
  const std::string path = staging_folder + "/allocation.json";
  const json kept = json::parse(std::ifstream(path), nullptr, /*allow_exceptions=*/false);
  const bool is_same = kept.is_object() && kept.value("identity", json()) == identity;
  const json known = is_same ? kept.value("report", json()) : json();
  PIVOT_ASSIGN_OR_RETURN(MeasuredPlan plan, MeasurePlan(*input.source, *input.spec, input.windows, known, hooks));
  const auto keep = [&] {
    return WriteFileDurably(path, json{{"identity", identity}, {"report", plan.report}}.dump());
  };
  PIVOT_RETURN_IF_ERROR(keep());
  PIVOT_RETURN_IF_ERROR(SettlePlan(input, hooks, plan));
  PIVOT_RETURN_IF_ERROR(keep());
  return plan;
}

}  // namespace pivot
