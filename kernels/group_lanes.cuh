// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_GROUP_LANES_CUH_
#define PIVOT_KERNELS_GROUP_LANES_CUH_

// What the searches over groups share on the device: a thread for each lane of a group (lane_sums.h).

#include "kernels/lane_sums.h"

namespace pivot {

inline constexpr int kGroupThreads = 256;  // of a thread block

/// As SumLanes does; every lane gets the total.
__device__ inline float SumOverLanes(float partial) {
#pragma unroll
  for (int half = kGroupLanes / 2; half > 0; half /= 2) {
    partial += __shfl_xor_sync(0xFFFFFFFFU, partial, half, kGroupLanes);
  }
  return partial;
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_GROUP_LANES_CUH_
