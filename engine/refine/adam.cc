// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/adam.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <cmath>
#include <numbers>

namespace pivot {
namespace {

constexpr double kMeanDecay = 0.9;
constexpr double kSquareDecay = 0.95;
constexpr double kEpsilon = 1e-12;
constexpr double kWarmUpShare = 0.05;

}  // namespace

void Adam::Step(at::Tensor& parameter, const at::Tensor& gradient, double rate, int64_t n) {
  if (!mean.defined()) {
    mean = at::zeros_like(parameter);
    square = at::zeros_like(parameter);
  }
  mean.lerp_(gradient, 1 - kMeanDecay);
  square.mul_(kSquareDecay).addcmul_(gradient, gradient, 1 - kSquareDecay);
  const auto count = static_cast<double>(n);
  const double square_correction = 1 - std::pow(kSquareDecay, count);
  const double mean_correction = 1 - std::pow(kMeanDecay, count);
  const at::Tensor scale = square.sqrt().div_(std::sqrt(square_correction)).add_(kEpsilon);
  parameter.addcdiv_(mean, scale, -rate / mean_correction);
}

double ScheduledShare(int64_t n, int64_t steps) {
  const auto at = static_cast<double>(n);
  const auto all = static_cast<double>(steps);
  return std::min(1.0, at / (kWarmUpShare * all + 1)) * 0.5 * (1 + std::cos(std::numbers::pi * at / all));
}

}  // namespace pivot
