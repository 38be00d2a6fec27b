// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_STORABLE_SCALE_H_
#define PIVOT_KERNELS_STORABLE_SCALE_H_

// Scales that files can hold, and the step to a better one.

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/host_device.h"

namespace pivot {

/// The nearest value with `significant_bits` (1 to 8), ties to even, that is exact in fp16 as well: below fp16's normal
/// range a multiple of 2^-24, never 0 but 2^-24 with the sign of `value`; beyond its range infinite. NaN stays NaN.
PIVOT_HOST_DEVICE inline float StorableScale(float value, int significant_bits) {
  constexpr float kBeyondHalf = 65536.0F;
  constexpr float kSmallestNormal = 6.103515625e-05F;   // 2^-14
  constexpr float kSmallest = 5.9604644775390625e-08F;  // 2^-24
  constexpr float kRounder = 0.5F;                      // the next float is 2^-24 away
  const float magnitude = std::fabs(value);
  if (!(magnitude <= FLT_MAX)) return value;
  const int dropped_bits = 24 - significant_bits;
  uint32_t bits = 0;
  std::memcpy(&bits, &magnitude, sizeof(bits));
  // The leading bit of a fraction is not in the field, and is 1.
  const uint32_t last_kept = significant_bits > 1 ? bits >> dropped_bits & 1U : 1U;
  bits += (1U << (dropped_bits - 1)) - 1 + last_kept;
  bits = bits >> dropped_bits << dropped_bits;
  float stored = 0;
  std::memcpy(&stored, &bits, sizeof(stored));
  if (stored < kSmallestNormal) stored = (stored + kRounder) - kRounder;
  if (stored < kSmallest) stored = kSmallest;
  if (stored >= kBeyondHalf) stored = INFINITY;
  return std::copysign(stored, value);
}

/// The loss of a row changes by -t (2 slope - t curvature) when its scale moves by t. Returns the storable scale at the
/// best t where that lowers the loss, else `scale`, also if a number is not finite.
PIVOT_HOST_DEVICE inline float BetterScale(float scale, float slope, float curvature, int significant_bits) {
  const float wanted = StorableScale(scale + slope / curvature, significant_bits);
  const float move = wanted - scale;
  const bool is_better = move * (2 * slope - move * curvature) > 0;
  return is_better && std::fabs(wanted) <= FLT_MAX ? wanted : scale;
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_STORABLE_SCALE_H_
