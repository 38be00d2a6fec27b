// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CONVERT_CONVERT_H_
#define PIVOT_ENGINE_CONVERT_CONVERT_H_

// A checkpoint in another format: the same codes in other words, or the weights that they stand for.

#include <string>

#include "absl/status/status.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/job_hooks.h"
#include "engine/plan/conversion.h"

namespace pivot {

/// Makes `folder` anew: shards and index (or one GGUF file), the source's other files and the texts of the conversion.
/// A layer at a time is in memory. Every layer is read back from the new files and compared, bit for bit, with what the
/// source's dequantizes to (for the plain format: rounded to bf16); kDataLoss names one that differs.
absl::Status ConvertFolder(const CheckpointFolder& source, const Conversion& conversion, const std::string& folder,
                           const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CONVERT_CONVERT_H_
