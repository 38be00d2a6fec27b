// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_DTYPE_H_
#define PIVOT_ENGINE_MODEL_DTYPE_H_

// Element types of safetensors files.

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace pivot {

enum class Dtype {
  kBool,
  kFloat4,
  kFloat6E2M3,
  kFloat6E3M2,
  kUint8,
  kInt8,
  kFloat8E5M2,
  kFloat8E4M3,
  kFloat8E8M0,
  kFloat8E4M3Fnuz,
  kFloat8E5M2Fnuz,
  kInt16,
  kUint16,
  kFloat16,
  kBfloat16,
  kInt32,
  kUint32,
  kFloat32,
  kComplex64,
  kFloat64,
  kInt64,
  kUint64,
};

/// As safetensors headers spell it: "BF16".
absl::string_view DtypeName(Dtype dtype);

std::optional<Dtype> DtypeFromName(absl::string_view name);

/// Bits of one element.
int64_t DtypeBits(Dtype dtype);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_DTYPE_H_
