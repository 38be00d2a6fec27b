// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_STATE_FILE_H_
#define PIVOT_ENGINE_REFINE_STATE_FILE_H_

// What has been learned so far, in a file, so that a worker that begins anew goes on from there.

#include <string>

#include "absl/status/statusor.h"

#include "engine/checkpoint/stored_tensor.h"
#include "engine/model/safetensors.h"

namespace pivot {

/// A safetensors file, durably. Tensors are F16 or F32, on any device.
absl::StatusOr<WrittenFile> WriteStateFile(const std::string& path, const NamedTensors& tensors);

/// The tensors on the CPU. kDataLoss when the file is missing, has another hash, or lacks one of `like`'s tensors in
/// its dtype and shape.
absl::StatusOr<NamedTensors> ReadStateFile(const std::string& path, const std::string& sha256,
                                           const NamedTensors& like);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_STATE_FILE_H_
