// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_GROUP_LANES_CUH_
#define PIVOT_KERNELS_GROUP_LANES_CUH_

// What the searches over groups share on the device. Sixteen threads share a group, as the sixteen partial sums of the
// CPU versions do, so that both give the same bits.

namespace pivot {

inline constexpr int kLanes = 16;
inline constexpr int kGroupThreads = 256;  // of a thread block

__device__ inline float RoundToBf16OnDevice(float value) {
  const unsigned bits = __float_as_uint(value);
  return __uint_as_float((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

/// Partial sums added up from lane 0 to lane 15; every lane gets the total.
__device__ inline float SumInOrder(float partial) {
  float total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += __shfl_sync(0xFFFFFFFFU, partial, lane, kLanes);
  return total;
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_GROUP_LANES_CUH_
