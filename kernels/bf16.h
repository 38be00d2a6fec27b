// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_BF16_H_
#define PIVOT_KERNELS_BF16_H_

// bfloat16 rounding without a bfloat16 type. Bits of bf16 are the upper half of a float's.

#include <cstdint>
#include <cstring>

namespace pivot {

/// The nearest value of bf16, ties to even, as float. Finite input only.
inline float RoundToBf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

inline float Bf16ToFloat(uint16_t value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float wide = 0;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

/// The nearest value of bf16, ties to even, for any input: beyond bf16's range infinite, and NaN stays NaN.
inline uint16_t FloatToBf16(float value) {
  constexpr uint16_t kNan = 0x7FC0;
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto upper = static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
  return value == value ? upper : kNan;
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_BF16_H_
