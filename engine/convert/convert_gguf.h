// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CONVERT_CONVERT_GGUF_H_
#define PIVOT_ENGINE_CONVERT_CONVERT_GGUF_H_

// A checkpoint as one GGUF file.

#include <string>

#include "absl/status/status.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/job_hooks.h"
#include "engine/plan/gguf_plan.h"

namespace pivot {

/// Writes the file, a tensor at a time in memory. FORMAT_CANNOT_EXPRESS names a layer whose numbers do not fit.
/// Progress counts tensors. May throw what ATen throws.
absl::Status WriteGguf(const CheckpointFolder& source, GgufPlan plan, const std::string& path, const JobHooks& hooks);

/// Reads every tensor of the folder that was written and compares it, bit for bit, with what the source's dequantizes
/// to; kDataLoss names one that differs. May throw what ATen throws.
absl::Status CompareGguf(const CheckpointFolder& source, const std::string& folder, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CONVERT_CONVERT_GGUF_H_
