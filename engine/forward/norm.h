// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_NORM_H_
#define PIVOT_ENGINE_FORWARD_NORM_H_

// Normalizations. Each function may throw what ATen throws.

#include <ATen/core/Tensor.h>

#include "engine/forward/weights.h"

namespace pivot {

/// x / rms(x) * weight over the last dimension, computed in fp32. The product is rounded once where the weight is fp32,
/// else after the division too.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// What the model's family does; x itself where the norm has no weight. x [..., features]; features divides its last
/// dimension, and each run of them is normalized by itself.
at::Tensor ApplyNorm(const ModelConfig& config, const Norm& norm, const at::Tensor& x);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_NORM_H_
