// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/paired_difference.h"

#include <cmath>
#include <limits>

namespace pivot {
namespace {

/// The 97.5 % quantile of Student's t, within 4 % from 2 degrees of freedom on (its expansion by 1 / degrees;
/// Abramowitz and Stegun, 26.7.5, at z = 1.96).
double StudentQuantile(double degrees) {
  const double z = 1.959964;
  const double first = (std::pow(z, 3) + z) / 4;
  const double second = (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / 96;
  const double third = (3 * std::pow(z, 7) + 19 * std::pow(z, 5) + 17 * std::pow(z, 3) - 15 * z) / 384;
  return z + first / degrees + second / std::pow(degrees, 2) + third / std::pow(degrees, 3);
}

}  // namespace

PairedDifference DifferenceOf(absl::Span<const double> before, absl::Span<const double> after) {
  const auto count = static_cast<double>(before.size());
  PairedDifference difference;
  for (size_t i = 0; i < before.size(); ++i) difference.mean += (after[i] - before[i]) / count;
  if (before.size() < 2) {
    difference.half_width = std::numeric_limits<double>::infinity();
    return difference;
  }
  double squares = 0;
  for (size_t i = 0; i < before.size(); ++i) squares += std::pow(after[i] - before[i] - difference.mean, 2);
  difference.half_width = StudentQuantile(count - 1) * std::sqrt(squares / (count - 1) / count);
  return difference;
}

}  // namespace pivot
