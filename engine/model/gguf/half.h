// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_HALF_H_
#define PIVOT_ENGINE_MODEL_GGUF_HALF_H_

// IEEE 754 binary16, without a library of tensors.

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

namespace pivot {

inline float FloatFromHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000U} << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU;
  const uint32_t fraction = half & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
  return sign != 0 ? -magnitude : magnitude;
}

/// Nothing when binary16 has no such number; infinities and what is not a number have none.
inline std::optional<uint16_t> ExactHalf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  if (!(std::fabs(value) <= 65504.0F)) return std::nullopt;
  if (value == 0) return sign;
  const int exponent = std::ilogb(value);
  const float step = std::ldexp(1.0F, (exponent < -14 ? -14 : exponent) - 10);
  const float multiple = std::fabs(value) / step;  // exact: a division by a power of two
  if (multiple != std::floor(multiple)) return std::nullopt;
  const auto fraction = static_cast<uint16_t>(multiple);  // from 1024 on for normal numbers
  if (exponent < -14) return static_cast<uint16_t>(sign | fraction);
  return static_cast<uint16_t>(sign | ((exponent + 15) << 10) | (fraction & 0x3FF));
}

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_HALF_H_
