// SPDX-License-Identifier: Apache-2.0
#include "engine/page/axis.h"

#include <algorithm>
#include <cmath>

namespace pivot::page {
namespace {

constexpr double kLargest = 1e100;
constexpr double kSmallest = 1e-100;
constexpr double kWantedTicks = 5;
constexpr int kMostTicks = 12;

/// 1, 2 or 5 times a power of ten, about a fifth of the range.
double RoundStep(double range) {
  const double rough = range / kWantedTicks;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double digit = rough / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

/// The next of 1, 2 and 5 times a power of ten at or below the value (at or above, when `is_upper`).
double RoundLogarithmic(double value, bool is_upper) {
  const double power = std::pow(10.0, std::floor(std::log10(value) + 1e-9));
  double best = is_upper ? power * 10 : power;
  for (const double digit : {2.0, 5.0}) {
    const double candidate = digit * power;
    if (is_upper && candidate >= value * (1 - 1e-9)) best = std::min(best, candidate);
    if (!is_upper && candidate <= value * (1 + 1e-9)) best = std::max(best, candidate);
  }
  return is_upper && power >= value * (1 - 1e-9) ? power : best;
}

}  // namespace

Axis::Axis(Scale scale, const std::vector<double>& values) : scale_(scale) {
  const bool is_logarithmic = scale == Scale::kLogarithmic;
  std::vector<double> used;
  for (const double value : values) {
    if (!std::isfinite(value) || std::abs(value) > kLargest) continue;
    if (!is_logarithmic || value > kSmallest) used.push_back(value);
  }
  if (scale == Scale::kFromZero) used.push_back(0);
  if (is_logarithmic) low_ = 0.1;
  if (used.empty()) return;
  const auto [least, most] = std::minmax_element(used.begin(), used.end());
  if (is_logarithmic) {
    low_ = RoundLogarithmic(*least, /*is_upper=*/false);
    high_ = RoundLogarithmic(*most, /*is_upper=*/true);
    if (high_ <= low_ * 1.01) high_ = low_ * 10;
    return;
  }
  double range = *most - *least;
  if (range <= std::abs(*most) * 1e-12) range = *most == 0 ? 1 : std::abs(*most) * 0.1;
  const double step = RoundStep(range);
  low_ = std::floor(*least / step + 1e-9) * step;
  high_ = std::ceil(*most / step - 1e-9) * step;
  if (high_ <= low_) high_ = low_ + step;
}

void Axis::Place(double low, double high) {
  low_place_ = low;
  high_place_ = high;
}

double Axis::Position(double value) const {
  if (scale_ != Scale::kLogarithmic) return (value - low_) / (high_ - low_);
  return std::log(std::max(value, kSmallest) / low_) / std::log(high_ / low_);
}

double Axis::At(double value) const {
  const double position = std::isnan(value) ? 0.0 : std::clamp(Position(value), 0.0, 1.0);
  return low_place_ + position * (high_place_ - low_place_);
}

std::vector<double> Axis::LogarithmicTicks() const {
  const double first = std::floor(std::log10(low_) + 1e-9);
  const double decades = std::log10(high_ / low_);
  const double stride = std::max(1.0, std::ceil(decades / kMostTicks));
  std::vector<double> ticks;
  for (int i = 0; i <= kMostTicks; ++i) {
    const double power = std::pow(10.0, first + i * stride);
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (digit > 1 && decades > 3.5) continue;
      const double tick = power * digit;
      if (tick >= low_ * (1 - 1e-9) && tick <= high_ * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::vector<double> Axis::Ticks() const {
  if (scale_ == Scale::kLogarithmic) return LogarithmicTicks();
  const double step = RoundStep(high_ - low_);
  const double first = std::ceil(low_ / step - 1e-9);
  std::vector<double> ticks;
  for (int i = 0; i <= kMostTicks; ++i) {
    const double tick = (first + i) * step;
    if (tick <= high_ + step * 1e-9) ticks.push_back(tick);
  }
  return ticks;
}

}  // namespace pivot::page
