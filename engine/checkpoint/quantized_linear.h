// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_QUANTIZED_LINEAR_H_
#define PIVOT_ENGINE_CHECKPOINT_QUANTIZED_LINEAR_H_

// One linear layer as codes and scales.

#include <ATen/core/Tensor.h>

#include "engine/format/weight_scheme.h"

namespace pivot {

struct QuantizedLinear {
  at::Tensor codes;  // [out, in] int8, -2^(bits-1) to 2^(bits-1) - 1
  at::Tensor scale;  // [out, in/group_size] fp32, exact in bf16
  WeightScheme scheme;
};

/// codes [out, in] int8 and scale [out, groups] fp32 -> scale * code [out, in] fp32. May throw what ATen throws.
at::Tensor Dequantize(const at::Tensor& codes, const at::Tensor& scale);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_QUANTIZED_LINEAR_H_
