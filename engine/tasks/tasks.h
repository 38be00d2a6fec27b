// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_TASKS_TASKS_H_
#define PIVOT_ENGINE_TASKS_TASKS_H_

// What a worker can be asked to do. Tasks come and results go in the JSON form of pivot.v1; proto/worker.md.

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/checkpoint_folder.h"
#include "engine/job_hooks.h"
#include "engine/ops/device.h"

namespace pivot {

struct TaskContext {
  std::string job_name;
  std::string staging_folder;
  const ComputeDevice* device = nullptr;
  const JobHooks* hooks = nullptr;
};

/// Runs the task that the spec names. The result is the JSON form of pivot.v1.Result, null for compress.
absl::StatusOr<nlohmann::json> RunTask(const nlohmann::json& spec, const TaskContext& context);

/// A warning where the folder has runtimes quantize activations: what is computed here is the model without that.
void WarnOfActivations(const CheckpointFolder& folder, const JobHooks& hooks);

/// pivot.v1.EvaluateTask: {"quality": Quality}, or, with tokens, a published folder with logits.safetensors and null.
absl::StatusOr<nlohmann::json> RunEvaluateTask(const nlohmann::json& task, const TaskContext& context);

/// pivot.v1.ConvertTask: a published folder, and null.
absl::StatusOr<nlohmann::json> RunConvertTask(const nlohmann::json& task, const TaskContext& context);

/// pivot.v1.GenerateTask: {"generation": Generation}.
absl::StatusOr<nlohmann::json> RunGenerateTask(const nlohmann::json& task, const TaskContext& context);

}  // namespace pivot

#endif  // PIVOT_ENGINE_TASKS_TASKS_H_
