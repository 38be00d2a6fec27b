// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_BF16_CUH_
#define PIVOT_KERNELS_BF16_CUH_

// bf16 on the device. Kernels over activations take runs of eight values, 16 bytes, where addresses and sizes allow,
// and single values elsewhere.

#include <cstdint>
#include <cuda_bf16.h>

namespace pivot {

inline constexpr int kBf16Run = 8;

/// As RoundToBf16. Finite input only.
__device__ inline float RoundToBf16OnDevice(float value) {
  const unsigned bits = __float_as_uint(value);
  return __uint_as_float((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

/// The nearest value of bf16 for any input; NaN stays NaN.
__device__ inline float NearestBf16(float value) { return __bfloat162float(__float2bfloat16_rn(value)); }

__device__ inline void UnpackRun(const uint4& words, float (&values)[kBf16Run]) {
  const uint32_t word[kBf16Run / 2] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int k = 0; k < kBf16Run / 2; ++k) {
    values[2 * k] = __uint_as_float(word[k] << 16);
    values[2 * k + 1] = __uint_as_float(word[k] & 0xFFFF0000U);
  }
}

__device__ inline uint32_t PackPair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return static_cast<uint32_t>(__bfloat16_as_ushort(pair.x)) |
         (static_cast<uint32_t>(__bfloat16_as_ushort(pair.y)) << 16);
}

/// kWidth 1, or 8 from a 16-byte aligned address.
template <int kWidth>
__device__ inline void LoadBf16(const uint16_t* from, float (&values)[kWidth]) {
  static_assert(kWidth == 1 || kWidth == kBf16Run);
  if constexpr (kWidth == 1) {
    values[0] = __uint_as_float(static_cast<uint32_t>(*from) << 16);
  } else {
    UnpackRun(*reinterpret_cast<const uint4*>(from), values);
  }
}

/// Rounds to nearest; as LoadBf16.
template <int kWidth>
__device__ inline void StoreBf16(const float (&values)[kWidth], uint16_t* to) {
  static_assert(kWidth == 1 || kWidth == kBf16Run);
  if constexpr (kWidth == 1) {
    *to = __bfloat16_as_ushort(__float2bfloat16_rn(values[0]));
  } else {
    *reinterpret_cast<uint4*>(to) = make_uint4(PackPair(values[0], values[1]), PackPair(values[2], values[3]),
                                               PackPair(values[4], values[5]), PackPair(values[6], values[7]));
  }
}

/// Whether a run of eight can be read or written there.
inline bool IsRunAligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

}  // namespace pivot

#endif  // PIVOT_KERNELS_BF16_CUH_
