// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_LINEAR_TENSORS_H_
#define PIVOT_ENGINE_CHECKPOINT_LINEAR_TENSORS_H_

// A quantized layer into the tensors of a file, and back.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/checkpoint/packed_linear.h"
#include "engine/checkpoint/quantized_linear.h"
#include "engine/checkpoint/stored_tensor.h"
#include "engine/format/linear_storage.h"
#include "engine/model/model_shapes.h"

namespace pivot {

/// The tensors of StoredTensors(module, ...) by name, contiguous, on the CPU. kFailedPrecondition (reason
/// FORMAT_CANNOT_EXPRESS) when the layout has no room for what the layer has: scales that are not exact in its dtype,
/// permuted groups in compressed-tensors, zero points in GPTQ v1. May throw what ATen throws.
absl::StatusOr<NamedTensors> EncodeLinear(const QuantizedLinear& linear, absl::string_view module,
                                          const LinearStorage& storage);

/// As DecodeLinear, but for the codes: `words` is a view of what `find` gave.
absl::StatusOr<PackedLinear> ReadPacked(const TensorLookup& find, absl::string_view module, LinearShape shape,
                                        const LinearStorage& storage);

/// As EncodeLinear, for every layout but kPlainBf16.
absl::StatusOr<NamedTensors> EncodePacked(const PackedLinear& linear, absl::string_view module,
                                          const LinearStorage& storage);

/// Whether both stand for the same weights in the same way: equal words, scales, zero points and groups. May throw what
/// ATen throws.
bool HoldSameCodes(const PackedLinear& a, const PackedLinear& b);

/// The layer on the CPU. Its tensors must have the shapes of StoredTensors. kInvalidArgument (MALFORMED_WEIGHTS) when a
/// g_idx names a group that is not there. May throw what ATen throws.
absl::StatusOr<QuantizedLinear> DecodeLinear(const TensorLookup& find, absl::string_view module, LinearShape shape,
                                             const LinearStorage& storage);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_LINEAR_TENSORS_H_
