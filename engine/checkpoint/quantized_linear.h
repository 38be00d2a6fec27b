// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_QUANTIZED_LINEAR_H_
#define PIVOT_ENGINE_CHECKPOINT_QUANTIZED_LINEAR_H_

// One linear layer as codes, scales and zero points.

#include <ATen/core/Tensor.h>

#include "engine/format/weight_scheme.h"

namespace pivot {

struct QuantizedLinear {
  at::Tensor codes;            // [out, in] int8: -2^(bits-1) to 2^(bits-1) - 1; of floating-point types the bits
  at::Tensor scale;            // [out, in/group_size] fp32
  at::Tensor zero_point;       // [out, in/group_size] int8, same range as codes; undefined: 0 everywhere
  at::Tensor offset;           // [out, in/group_size] fp32, added to every weight (GGUF's Q4_1, Q4_K); undefined: none
  at::Tensor group_of_column;  // [in] int64; undefined: column / group_size
  at::Tensor global_scale;     // [1] fp32, of kNvfp4: the scales of the file are those of the weights times this
  WeightScheme scheme;         // its group size filled in
};

/// What floating-point codes (int8, any shape) stand for before their scale, fp32. May throw what ATen throws.
at::Tensor DecodeFloats(const at::Tensor& codes, CodeType type);

/// scale * (code - zero_point) + offset, [out, in] fp32. Exact where scales are exact in bf16 or fp16 and there are no
/// offsets; those are added last, with one rounding, as ggml does. May throw what ATen
/// throws.
at::Tensor Dequantize(const QuantizedLinear& linear);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_QUANTIZED_LINEAR_H_
