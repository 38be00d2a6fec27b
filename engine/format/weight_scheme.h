// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_
#define PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_

// What the codes of one linear layer mean, whatever file they lie in.

#include <cstdint>

#include "absl/types/span.h"

namespace pivot {

inline constexpr int kMinBits = 2;
inline constexpr int kMaxBits = 8;

enum class Symmetry {
  kSymmetric,   // zero_point is 0 everywhere
  kAsymmetric,  // a zero_point for each scale
};

/// Integers: w = scale * (q - zero_point) with q and zero_point in [-2^(bits-1), 2^(bits-1) - 1], a scale for each row
/// and group of columns.
struct WeightScheme {
  int bits = 4;
  int64_t group_size = 128;  // input columns; 0 in a configuration: the whole row
  Symmetry symmetry = Symmetry::kSymmetric;

  bool is_symmetric() const { return symmetry == Symmetry::kSymmetric; }

  friend bool operator==(const WeightScheme&, const WeightScheme&) = default;
};

/// The largest of 128, 64 and 32 that divides every one of `in_features`, or 0.
int64_t AutomaticGroupSize(absl::Span<const int64_t> in_features);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_
