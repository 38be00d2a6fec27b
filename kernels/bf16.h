// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_BF16_H_
#define PIVOT_KERNELS_BF16_H_

// bfloat16 rounding without a bfloat16 type.

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

}  // namespace pivot

#endif  // PIVOT_KERNELS_BF16_H_
