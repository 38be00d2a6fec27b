// SPDX-License-Identifier: Apache-2.0
#include "engine/tasks/tasks.h"

#include "absl/strings/str_cat.h"

#include "engine/compress.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {

absl::StatusOr<nlohmann::json> RunTask(const nlohmann::json& spec, const TaskContext& context) {
  if (!spec.is_object()) return absl::InvalidArgumentError("the spec is not an object");
  if (spec.contains("compress")) {
    const CompressJob job{
        .task = spec["compress"], .job_name = context.job_name, .staging_folder = context.staging_folder};
    PIVOT_RETURN_IF_ERROR(Compress(job, *context.device, *context.hooks));
    return nlohmann::json();
  }
  if (spec.contains("evaluate")) return RunEvaluateTask(spec["evaluate"], context);
  if (spec.contains("convert")) return RunConvertTask(spec["convert"], context);
  if (spec.contains("generate")) return RunGenerateTask(spec["generate"], context);
  return WithReason(absl::InvalidArgumentError("the spec names no task that this worker knows"), "INVALID_SPEC");
}

void WarnOfActivations(const CheckpointFolder& folder, const JobHooks& hooks) {
  if (!folder.quantization.has_value() || !folder.quantization->quantizes_activations() || !hooks.warning) return;
  hooks.warning("ACTIVATIONS_NOT_QUANTIZED",
                absl::StrCat(folder.model.path(),
                             " has serving runtimes quantize activations as well as weights; here "
                             "only its weights are, so results are a little better than theirs"));
}

}  // namespace pivot
