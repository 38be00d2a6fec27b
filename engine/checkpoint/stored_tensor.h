// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_STORED_TENSOR_H_
#define PIVOT_ENGINE_CHECKPOINT_STORED_TENSOR_H_

// What the readers and writers of a layer's tensors share, whatever its codes are.

#include <ATen/core/Tensor.h>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/dtype.h"

namespace pivot {

using NamedTensors = std::map<std::string, at::Tensor>;

/// The tensor of this name, or an undefined one when there is none. Views of a mapped file do.
using TensorLookup = std::function<absl::StatusOr<at::Tensor>(const std::string& name)>;

/// A tensor that must be there: kInvalidArgument (MALFORMED_WEIGHTS) when it is not.
absl::StatusOr<at::Tensor> RequireStored(const TensorLookup& find, const std::string& name);

/// kFailedPrecondition (FORMAT_CANNOT_EXPRESS): "MODULE PROBLEM".
absl::Status CannotExpress(absl::string_view module, absl::string_view problem);

/// Scales in the dtype of a file (kFloat16, kBfloat16, kFloat32, kFloat8E4M3), on the CPU. kFailedPrecondition
/// (FORMAT_CANNOT_EXPRESS) when one of them is not exact in it. May throw what ATen throws.
absl::StatusOr<at::Tensor> ExactScale(const at::Tensor& scale, Dtype dtype, absl::string_view module);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_STORED_TENSOR_H_
