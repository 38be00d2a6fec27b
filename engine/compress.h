// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_COMPRESS_H_
#define PIVOT_ENGINE_COMPRESS_H_

// The pipeline: a model folder in, a published pivot out.

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

#include "engine/job_hooks.h"
#include "engine/ops/device.h"

namespace pivot {

struct CompressJob {
  nlohmann::json task;         // JSON form of pivot.v1.CompressTask
  std::string job_name;        // for the report
  std::string staging_folder;  // where everything is written; may hold an earlier attempt's journal
};

/// Inspects and plans, quantizes layer by layer, assembles the folder, verifies, evaluates and publishes it. Everything
/// that was measured goes into pivot/report.json and report.html. Errors have a reason; a cancelled job ends with
/// kCancelled and leaves its journal.
absl::Status Compress(const CompressJob& job, const ComputeDevice& device, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_COMPRESS_H_
