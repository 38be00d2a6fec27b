// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_REQUIRED_TENSORS_H_
#define PIVOT_ENGINE_MODEL_REQUIRED_TENSORS_H_

// Whether the tensors that a model's configuration asks for are there.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/model/model_folder.h"

namespace pivot {

/// The tensor `name`, which must have this shape and a floating-point dtype of 16 or 32 bits. kInvalidArgument
/// (MALFORMED_WEIGHTS).
absl::StatusOr<const TensorInfo*> RequireTensor(const ModelFolder& folder, absl::string_view name,
                                                absl::Span<const int64_t> shape);

/// Checks that every tensor of an unquantized model that the architecture table speaks of is there with the right
/// shape.
absl::Status CheckTensors(const ModelFolder& folder);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_REQUIRED_TENSORS_H_
