// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_FAST_EXP_H_
#define PIVOT_KERNELS_FAST_EXP_H_

// An exponential that compilers can vectorize.

#include <bit>
#include <cstdint>

namespace pivot {

/// exp(x) for x <= 0 to within 2 units in the last place; 0 below -87.
///
/// x = n ln 2 + r with |r| <= ln(2)/2; exp(r) by its Taylor polynomial of degree 7, whose first term left out is below
/// 6e-9 there; then 2^n into the exponent.
inline __attribute__((always_inline)) float FastExp(float x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  // Added and subtracted, it rounds a float below 2^22 to a whole number.
  constexpr float kRoundingMagic = 12582912.0F;
  const float clamped = x < -87.0F ? -87.0F : x;
  const float whole = (clamped * kLog2E + kRoundingMagic) - kRoundingMagic;
  const float rest = (clamped - whole * kLn2High) - whole * kLn2Low;
  float sum = 1.0F / 5040;
  sum = sum * rest + 1.0F / 720;
  sum = sum * rest + 1.0F / 120;
  sum = sum * rest + 1.0F / 24;
  sum = sum * rest + 1.0F / 6;
  sum = sum * rest + 0.5F;
  sum = sum * rest + 1.0F;
  sum = sum * rest + 1.0F;
  const float power = std::bit_cast<float>((static_cast<int32_t>(whole) + 127) << 23);
  return x < -87.0F ? 0.0F : sum * power;
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_FAST_EXP_H_
