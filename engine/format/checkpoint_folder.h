// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_CHECKPOINT_FOLDER_H_
#define PIVOT_ENGINE_FORMAT_CHECKPOINT_FOLDER_H_

// A model folder that may be compressed: what each linear layer is stored as.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/quantization_config.h"
#include "engine/model/model_folder.h"
#include "engine/model/model_shapes.h"

namespace pivot {

struct CheckpointFolder {
  ModelFolder model;
  std::optional<QuantizationConfig> quantization;  // nothing: a plain model

  /// How a linear is stored, its group size filled in, or nothing when its weight is stored plainly.
  std::optional<LinearStorage> StorageOf(absl::string_view module, LinearShape shape) const;

  /// The same of all linears of the decoder blocks (of a block's experts what the first has), and of both ends.
  ModelSchemes Schemes() const;
};

/// Opens a plain or compressed folder and checks that every tensor of the architecture is there, in the form its
/// quantization_config says.
absl::StatusOr<CheckpointFolder> OpenCheckpoint(const std::string& path);

/// Opens a folder to compress: a plain one, one that came in FP8 by itself (fp8_config.h), or a GGUF file; the weights
/// of the latter two are what their codes stand for. kFailedPrecondition (reason ALREADY_QUANTIZED) when its
/// configuration says that it is quantized in any other way.
absl::StatusOr<CheckpointFolder> OpenOriginal(const std::string& path);

/// Without the check of tensors, for a report on what is wrong.
absl::StatusOr<CheckpointFolder> OpenCheckpointUnchecked(const std::string& path);

/// Every tensor that is missing or has another dtype or shape than it must have, a sentence each.
std::vector<std::string> TensorProblems(const CheckpointFolder& folder);

/// Bits for each weight of the quantized linears (0 when there are none), and of all tensors.
struct StoredBits {
  double quantized = 0;
  double model = 0;
};
StoredBits CountBits(const CheckpointFolder& folder);

/// What `pivot inspect` shows: architecture, sizes, format, bits.
absl::StatusOr<nlohmann::json> Inspect(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_CHECKPOINT_FOLDER_H_
