// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_KERNELS_BF16_VECTORS_H_
#define PIVOT_TESTS_KERNELS_BF16_VECTORS_H_

// Vectors of bf16 for the tests of kernels over activations.

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/bf16.h"

namespace pivot {

/// bf16 has eight significant bits and rounds with a relative error of 2^-8 at most; two roundings, one after the
/// other, stay within 2^-7. Two per cent more for arithmetic in fp32.
inline constexpr double kOneRounding = 0x1p-8 * 1.02;
inline constexpr double kTwoRoundings = 2 * kOneRounding;

inline std::vector<uint16_t> RandomBf16(int64_t count, unsigned seed, float scale) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> values(static_cast<size_t>(count));
  for (uint16_t& value : values) value = FloatToBf16(scale * normal(generator));
  return values;
}

inline double Exact(uint16_t value) { return static_cast<double>(Bf16ToFloat(value)); }

/// As double, so that a computation in fp64 may round where the kernel does.
inline double Rounded(double value) { return Exact(FloatToBf16(static_cast<float>(value))); }

inline bool IsNan(uint16_t value) { return std::isnan(Bf16ToFloat(value)); }

inline std::vector<bool> WhereNan(const std::vector<uint16_t>& values) {
  std::vector<bool> is_nan;
  for (const uint16_t value : values) is_nan.push_back(IsNan(value));
  return is_nan;
}

/// How many values lie farther from `exact` than `tolerance` says; both as long as `values`.
inline int64_t CountBeyond(const std::vector<uint16_t>& values, const std::vector<double>& exact,
                           const std::vector<double>& tolerance) {
  int64_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) count += std::abs(Exact(values[i]) - exact[i]) <= tolerance[i] ? 0 : 1;
  return count;
}

/// The tolerance being kTwoRoundings of each exact value.
inline int64_t CountBeyondTwoRoundings(const std::vector<uint16_t>& values, const std::vector<double>& exact) {
  std::vector<double> tolerance;
  for (const double value : exact) tolerance.push_back(std::abs(value) * kTwoRoundings);
  return CountBeyond(values, exact, tolerance);
}

/// How many values are not the bits of the bf16 nearest to `rounded`.
inline int64_t CountOthers(const std::vector<uint16_t>& values, const std::vector<double>& rounded) {
  int64_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) count += values[i] == FloatToBf16(static_cast<float>(rounded[i])) ? 0 : 1;
  return count;
}

}  // namespace pivot

#endif  // PIVOT_TESTS_KERNELS_BF16_VECTORS_H_
