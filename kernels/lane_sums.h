// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_LANE_SUMS_H_
#define PIVOT_KERNELS_LANE_SUMS_H_

// Sums over a group in sixteen partial sums, lane l taking elements l, l + 16, l + 32...: vectors on a CPU and threads
// on a GPU add up in the same order and get the same bits.

#include <array>
#include <cstddef>

namespace pivot {

inline constexpr int kGroupLanes = 16;

/// Lane l and lane l + 8, then those with l + 4 and so on.
inline float SumLanes(std::array<float, kGroupLanes>& lanes) {
  for (size_t half = kGroupLanes / 2; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_LANE_SUMS_H_
