// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_NARROW_TENSOR_H_
#define PIVOT_ENGINE_CHECKPOINT_NARROW_TENSOR_H_

#include <ATen/core/Tensor.h>
#include <string>

#include "absl/status/statusor.h"

namespace pivot {

/// Whether all values are at most kFloat8Max (engine/format/narrow_ends.h) in size; not so when one is not finite. May
/// throw what ATen throws.
bool FitsFloat8(const at::Tensor& values);

/// The nearest values of E4M3, of two that are as near the even one, in the tensor's own dtype. Requires FitsFloat8.
/// May throw what ATen throws.
at::Tensor RoundToFloat8(const at::Tensor& values);

/// The same as bytes of a file, contiguous on the CPU. kInvalidArgument (MALFORMED_WEIGHTS) with the tensor's name when
/// they do not fit. May throw what ATen throws.
absl::StatusOr<at::Tensor> NarrowTensor(const at::Tensor& values, const std::string& name);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_NARROW_TENSOR_H_
