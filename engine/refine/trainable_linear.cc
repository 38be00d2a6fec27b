// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/trainable_linear.h"

#include <ATen/ATen.h>

#include "engine/ops/kernel_calls.h"

namespace pivot {
namespace {

constexpr double kLargestMove = 1.49;  // of a latent from its first code
constexpr double kHalfStep = 0.49;     // rounds to the same code

at::Tensor MoveTo(const at::Tensor& tensor, at::Device device) { return tensor.defined() ? tensor.to(device) : tensor; }

/// Where the original weight lies, as a latent.
at::Tensor LatentsOf(const QuantizedLinear& start, const at::Tensor& original) {
  const int64_t groups = start.scale.size(1);
  const at::Tensor codes = start.codes.to(at::kFloat);
  const auto options = original.options().dtype(at::kFloat);
  at::Tensor places = original.to(options).unflatten(1, {groups, -1}).div(start.scale.unsqueeze(2));
  if (start.zero_point.defined()) places.add_(start.zero_point.unsqueeze(2));
  const at::Tensor parts = at::nan_to_num(places.flatten(1).sub_(codes), 0, kHalfStep, -kHalfStep);
  return codes + parts.clamp_(-kHalfStep, kHalfStep);
}

}  // namespace

bool TrainableLinear::Takes(const QuantizedLinear& linear) {
  return linear.scheme.is_integer() && !linear.group_of_column.defined() && !linear.offset.defined();
}

TrainableLinear::TrainableLinear(const QuantizedLinear& start, const at::Tensor& original, int scale_digits,
                                 at::Device device)
    : start_({.codes = start.codes.to(device),
              .scale = start.scale.to(device),
              .zero_point = MoveTo(start.zero_point, device),
              .scheme = start.scheme}),
      scale_digits_(scale_digits),
      change_(at::zeros_like(start_.scale)) {
  if (!original.defined()) return;
  latent_ = LatentsOf(start_, original);
  KeepInRange();
}

void TrainableLinear::KeepInRange() {
  const double end = static_cast<double>(int64_t{1} << (start_.scheme.bits - 1));
  const at::Tensor first = start_.codes.to(at::kFloat);
  latent_.copy_(at::minimum(at::maximum(latent_, first - kLargestMove), first + kLargestMove));
  latent_.clamp_(-end - kHalfStep, end - 1 + kHalfStep);
}

at::Tensor TrainableLinear::Scale() const { return StorableScales(start_.scale * (change_ + 1), scale_digits_); }

at::Tensor TrainableLinear::Levels() const {
  const at::Tensor codes = latent_.defined() ? latent_.round() : start_.codes.to(at::kFloat);
  at::Tensor levels = codes.unflatten(1, {start_.scale.size(1), -1});
  if (start_.zero_point.defined()) levels = levels - start_.zero_point.unsqueeze(2);
  return levels;
}

at::Tensor TrainableLinear::MakeWeight(at::ScalarType dtype) {
  weight_ = Levels().mul_(Scale().unsqueeze(2)).flatten(1).to(dtype).requires_grad_(true);
  return weight_;
}

void TrainableLinear::Learn(const LearningRates& rates, int64_t n) {
  const at::Tensor& gradient = weight_.grad();
  if (!gradient.defined()) return;
  const at::Tensor groups = gradient.to(at::kFloat).unflatten(1, {start_.scale.size(1), -1});
  const at::Tensor scale_gradient = (groups * Levels()).sum(2).mul_(start_.scale);
  if (latent_.defined() && rates.codes > 0) {
    const at::Tensor code_gradient = (groups * Scale().unsqueeze(2)).flatten(1);
    code_moments_.Step(latent_, code_gradient, rates.codes, n);
    KeepInRange();
  }
  if (rates.scales > 0) scale_moments_.Step(change_, scale_gradient, rates.scales, n);
  weight_.reset();
}

QuantizedLinear TrainableLinear::Rounded() const {
  QuantizedLinear linear = start_;
  linear.scale = Scale();
  if (latent_.defined()) linear.codes = latent_.round().to(at::kChar);
  return linear;
}

double TrainableLinear::MovedShare() const {
  if (!latent_.defined()) return 0;
  return latent_.round().ne(start_.codes).to(at::kFloat).mean().item<double>();
}

TrainableLinear::State TrainableLinear::Save() const {
  return {.latent = latent_.defined() ? (latent_ - start_.codes).to(at::kHalf) : at::Tensor(),
          .change = change_.clone()};
}

void TrainableLinear::Restore(const State& state) {
  if (latent_.defined()) latent_.copy_(start_.codes + state.latent.to(latent_.options()));
  change_.copy_(state.change);
}

void TrainableLinear::Settle() {
  code_moments_ = {};
  scale_moments_ = {};
  Restore(Save());
}

}  // namespace pivot
