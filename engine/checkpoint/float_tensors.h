// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_FLOAT_TENSORS_H_
#define PIVOT_ENGINE_CHECKPOINT_FLOAT_TENSORS_H_

// Layers with floating-point codes into the tensors of compressed-tensors, and back: float-quantized (FP8),
// nvfp4-pack-quantized and mxfp4-pack-quantized.
//
// Two 4-bit codes share a byte, that of the even column in its low half. E8M0 is a byte e that stands for 2^(e - 127).
// Source: compressed-tensors 0.20, compressors/{naive_quantized,nvfp4,mxfp4}; OCP Microscaling Formats 1.0.

#include <string>

#include "absl/status/statusor.h"

#include "engine/checkpoint/packed_linear.h"
#include "engine/checkpoint/stored_tensor.h"
#include "engine/format/linear_storage.h"
#include "engine/model/model_shapes.h"

namespace pivot {

/// As EncodePacked (linear_tensors.h). The type of codes must not be kInteger, and the layout compressed-tensors'.
absl::StatusOr<NamedTensors> EncodeFloatTensors(const PackedLinear& linear, const std::string& module,
                                                const LinearStorage& storage);

/// As ReadPacked. Scales that rows share are repeated for each.
absl::StatusOr<PackedLinear> ReadFloatTensors(const TensorLookup& find, const std::string& module, LinearShape shape,
                                              const LinearStorage& storage);

/// Codes [out, in] int8 as the words of a PackedLinear, and back. May throw what ATen throws.
at::Tensor PackFloatCodes(const at::Tensor& codes, CodeType type);
at::Tensor UnpackFloatCodes(const at::Tensor& words, CodeType type);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_FLOAT_TENSORS_H_
