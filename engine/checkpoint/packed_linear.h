// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_PACKED_LINEAR_H_
#define PIVOT_ENGINE_CHECKPOINT_PACKED_LINEAR_H_

// One linear layer whose codes are still packed, which is all that another layout of the same codes needs.

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/quantized_linear.h"
#include "engine/model/model_config.h"
#include "engine/model/model_shapes.h"

namespace pivot {

struct PackedLinear {
  LinearShape shape;
  at::Tensor words;      // integers: [out, PackedWords(in, bits)] i32, rows contiguous or, read from GPTQ, columns.
                         // kFloat8: [out, in] of that type; 4-bit floats: [out, in/2] u8
  QuantizedLinear grid;  // all but the codes
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_PACKED_LINEAR_H_
