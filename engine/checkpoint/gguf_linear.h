// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_GGUF_LINEAR_H_
#define PIVOT_ENGINE_CHECKPOINT_GGUF_LINEAR_H_

// A quantized layer as rows of ggml's blocks, and back.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/checkpoint/quantized_linear.h"
#include "engine/model/gguf/ggml_type.h"

namespace pivot {

/// Bytes of the rows, [out, bytes of a row] uint8. Exact, or kFailedPrecondition (reason FORMAT_CANNOT_EXPRESS) that
/// says why not: codes out of range, scales that binary16 has not, groups that are no multiple of 32 columns. Q4_0,
/// Q4_1 or Q8_0. May throw what ATen throws.
absl::StatusOr<at::Tensor> EncodeBlocks(const QuantizedLinear& linear, absl::string_view module, GgmlType type);

/// Of bytes [out, bytes of a row] uint8 of any type of blocks. Types with offsets have the least code for a zero point
/// everywhere (Q4_1: codes from -8 to 7, zero point -8). May throw what ATen throws.
QuantizedLinear DecodeBlocks(const at::Tensor& bytes, GgmlType type);

/// The same layer without an offset: zero points that stand for it. Nothing
/// when an offset is no such multiple of its scale.
absl::StatusOr<QuantizedLinear> WithoutOffset(const QuantizedLinear& linear, absl::string_view module);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_GGUF_LINEAR_H_
