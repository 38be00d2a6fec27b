// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_
#define PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_

// What the codes of one linear layer mean, whatever file they lie in.

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

inline constexpr int kMinBits = 2;
inline constexpr int kMaxBits = 8;

enum class Symmetry {
  kSymmetric,   // zero_point is 0 everywhere
  kAsymmetric,  // a zero_point for each scale
};

/// What a code stands for, and how scales are stored. Of floating-point codes there are no zero points.
enum class CodeType {
  kInteger,  // w = scale * (q - zero_point) with q and zero_point in [-2^(bits-1), 2^(bits-1) - 1]
  kFloat8,   // E4M3, scales of the model's dtype
  kNvfp4,    // E2M1 in groups of 16, w = q * scale / global_scale: scales E4M3, one fp32 global_scale a tensor
  kMxfp4,    // E2M1 in groups of 32, scales powers of two (E8M0)
};

inline constexpr int64_t kNvfp4GroupSize = 16;
inline constexpr int64_t kMxfp4GroupSize = 32;

/// A scale for each row and group of columns.
struct WeightScheme {
  int bits = 4;              // of a code: 2 to 8 of integers, 8 or 4 of the others
  int64_t group_size = 128;  // input columns; 0 in a configuration: the whole row
  Symmetry symmetry = Symmetry::kSymmetric;
  CodeType type = CodeType::kInteger;
  int64_t row_group = 1;    // output rows that share a scale, of kFloat8 that others wrote; 0: all
  int64_t super_group = 0;  // columns whose scales are small multiples of one, of GGUF's K types; 0: each its own

  bool is_symmetric() const { return symmetry == Symmetry::kSymmetric; }
  bool is_integer() const { return type == CodeType::kInteger; }
  bool is_float4() const { return type == CodeType::kNvfp4 || type == CodeType::kMxfp4; }

  /// The same with the whole row's group size filled in.
  WeightScheme ForRow(int64_t in_features) const {
    WeightScheme scheme = *this;
    if (scheme.group_size == 0) scheme.group_size = in_features;
    return scheme;
  }

  friend bool operator==(const WeightScheme&, const WeightScheme&) = default;
};

/// "int", "fp8", "nvfp4", "mxfp4".
absl::string_view CodeTypeName(CodeType type);

/// The scheme of a floating-point type whose name is given, or nothing when it is none.
std::optional<WeightScheme> FloatScheme(absl::string_view type_name);

/// The largest of 128, 64 and 32 that divides every one of `in_features`, or 0.
int64_t AutomaticGroupSize(absl::Span<const int64_t> in_features);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_
