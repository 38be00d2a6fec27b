// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_TO_HOST_H_
#define PIVOT_ENGINE_OPS_TO_HOST_H_

#include <ATen/core/Tensor.h>

namespace pivot {

/// The tensor on the CPU: itself, or a copy in page-locked memory, which a GPU writes at its full rate and which is
/// used again when it is let go. May throw what ATen throws.
at::Tensor ToHost(const at::Tensor& tensor);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_TO_HOST_H_
