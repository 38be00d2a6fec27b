// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_LANE_SUMS_H_
#define PIVOT_KERNELS_LANE_SUMS_H_

// Sums in partial sums, one a lane: vectors on a CPU and threads on a GPU add up in the same order and get the same
// bits. Sums over a group have sixteen, lane l taking elements l, l + 16, l + 32...

#include <array>
#include <cstddef>

namespace pivot {

inline constexpr int kGroupLanes = 16;

/// Of 16 lanes: lane l and lane l + 8, then those with l + 4 and so on. The number of lanes is a power of two.
template <size_t kLanes>
float SumLanes(std::array<float, kLanes>& lanes) {
  static_assert((kLanes & (kLanes - 1)) == 0);
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_LANE_SUMS_H_
