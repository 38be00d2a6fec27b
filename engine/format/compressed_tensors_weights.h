// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_COMPRESSED_TENSORS_WEIGHTS_H_
#define PIVOT_ENGINE_FORMAT_COMPRESSED_TENSORS_WEIGHTS_H_

// A scheme as the "weights" object of a config group of compressed-tensors, and the name of the group's "format".

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/weight_scheme.h"

namespace pivot {

/// "pack-quantized", "float-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized".
absl::string_view GroupFormat(CodeType type);

/// Only keys that the library has known since it has known the scheme: unknown ones make it refuse the file.
nlohmann::ordered_json WeightsJson(const WeightScheme& scheme);

/// `format` is the group's, or the file's when the group has none. kInvalidArgument with reason UNSUPPORTED_CHECKPOINT,
/// naming what it met, for types, strategies, orders of columns and formats that are not read.
absl::StatusOr<WeightScheme> ParseWeights(const nlohmann::json& weights, absl::string_view format);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_COMPRESSED_TENSORS_WEIGHTS_H_
