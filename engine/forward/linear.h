// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_LINEAR_H_
#define PIVOT_ENGINE_FORWARD_LINEAR_H_

// Linear layers over activations. Each function may throw what ATen throws.

#include <ATen/core/Tensor.h>

#include "engine/forward/weights.h"

namespace pivot {

at::Tensor ApplyLinear(const at::Tensor& x, const Linear& linear);

/// stream += linear(x), in place. On a GPU one product, whose sum is rounded once.
void AddLinear(at::Tensor& stream, const at::Tensor& x, const Linear& linear);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_LINEAR_H_
