// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_CODE_GRID_H_
#define PIVOT_KERNELS_CODE_GRID_H_

// The numbers that a code can stand for before its scale is applied, and how they are spelled as bits.
//
//   kInteger  -2^(bits-1) ... 2^(bits-1) - 1; the code is the number
//   kFloat8   E4M3 of OCP OFP8 without infinities: sign, 4 bits of exponent (bias 7), 3 of mantissa; at most 448
//   kFloat4   E2M1 of OCP MX: sign, 2 bits of exponent (bias 1), 1 of mantissa: 0 0.5 1 1.5 2 3 4 6 and their negatives
//
// Rounding is to nearest, ties to the even mantissa; what is beyond the largest number becomes it. Source: OCP 8-bit
// Floating Point Specification 1.0; OCP Microscaling Formats 1.0, section 5.3.

#include <cstdint>
#include <cstring>

#include "kernels/host_device.h"

namespace pivot {

enum class CodeGrid { kInteger, kFloat8, kFloat4 };

/// A floating-point grid by its constants: Float8Grid, Float4Grid.
template <int kMantissaBits, int kLowestExponent, int kLargest>
struct FloatGrid {
  static constexpr float kMax = static_cast<float>(kLargest);
  static constexpr int kBias = 1 - kLowestExponent;

  /// The nearest number of the grid. Finite input only.
  PIVOT_HOST_DEVICE static float Round(float value) {
    const float magnitude = value < 0 ? -value : value;
    if (magnitude >= kMax) return value < 0 ? -kMax : kMax;
    const int exponent = ExponentOf(magnitude) > kLowestExponent ? ExponentOf(magnitude) : kLowestExponent;
    const float step = PowerOfTwo(exponent - kMantissaBits);
    // Adding and subtracting 1.5 * 2^23 rounds to a whole number, ties to even: magnitude / step is below 2^5.
    constexpr float kRounder = 12582912.0F;
    return ((value / step + kRounder) - kRounder) * step;
  }

  /// The bits of a number of the grid.
  PIVOT_HOST_DEVICE static uint8_t Encode(float value) {
    const float magnitude = value < 0 ? -value : value;
    const uint32_t sign = value < 0 ? 1U : 0U;
    uint32_t fields = 0;
    if (magnitude < PowerOfTwo(kLowestExponent)) {
      fields = static_cast<uint32_t>(magnitude / PowerOfTwo(kLowestExponent - kMantissaBits));
    } else {
      const uint32_t exponent = static_cast<uint32_t>(ExponentOf(magnitude) + kBias);
      const uint32_t mantissa = (BitsOf(magnitude) >> (23 - kMantissaBits)) & ((1U << kMantissaBits) - 1U);
      fields = exponent << kMantissaBits | mantissa;
    }
    constexpr int kSignBit = kMantissaBits == 3 ? 7 : 3;
    return static_cast<uint8_t>(sign << kSignBit | fields);
  }

 private:
  PIVOT_HOST_DEVICE static uint32_t BitsOf(float value) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
  }
  /// The sign, which -0 has, does not count.
  PIVOT_HOST_DEVICE static int ExponentOf(float value) { return static_cast<int>(BitsOf(value) >> 23 & 0xFFU) - 127; }
  PIVOT_HOST_DEVICE static float PowerOfTwo(int exponent) {
    const uint32_t bits = static_cast<uint32_t>(exponent + 127) << 23;
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
};

using Float8Grid = FloatGrid<3, -6, 448>;
using Float4Grid = FloatGrid<1, 0, 6>;

}  // namespace pivot

#endif  // PIVOT_KERNELS_CODE_GRID_H_
