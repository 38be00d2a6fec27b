// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/norm.h"

#include <ATen/ATen.h>

#include "engine/ops/activation_calls.h"

namespace pivot {

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (CanFuse(x) && weight.scalar_type() == x.scalar_type()) return FusedRmsNorm(x, weight, epsilon);
  const at::Tensor exact = x.to(at::kFloat);
  const at::Tensor inverse_rms = at::mean(exact.square(), {-1}, /*keepdim=*/true).add_(epsilon).rsqrt_();
  const at::Tensor divided = exact * inverse_rms;
  if (weight.scalar_type() == at::kFloat) return (divided * weight).to(x.scalar_type());
  return divided.to(x.scalar_type()).mul_(weight);
}

at::Tensor ApplyNorm(const ModelConfig& config, const Norm& norm, const at::Tensor& x) {
  if (!norm.weight.defined()) return x;
  const int64_t features = norm.weight.size(0);
  const at::Tensor runs = features == x.size(-1) ? x : x.reshape({x.size(0), x.size(1), -1, features});
  const at::Tensor normalized = config.architecture->norm == NormKind::kLayer
                                    ? at::layer_norm(runs, {features}, norm.weight, norm.bias, config.norm_eps)
                                    : RmsNorm(runs, norm.weight, config.norm_eps);
  return normalized.view(x.sizes());
}

}  // namespace pivot
