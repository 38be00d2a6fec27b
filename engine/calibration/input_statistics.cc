// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/input_statistics.h"

#include <ATen/ATen.h>
#include <algorithm>

namespace pivot {
namespace {

/// sum += aᵀ b in fp32.
void AddProduct(const at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) {
    sum.addmm_(a.t(), b);
  } else {
    sum.add_(at::mm(a.t(), b, at::kFloat));  // a GPU multiplies bf16 and sums in fp32
  }
}

/// Columns of a block of the Gram matrix: four blocks a side save three eighths of the arithmetic, narrower ones slow
/// the products down.
int64_t GramBlock(int64_t in_features) { return std::max<int64_t>(192, (in_features + 3) / 4); }

}  // namespace

InputStatistics::InputStatistics(int64_t in_features, CrossTerm cross, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  gram_ = at::zeros({in_features, in_features}, options);
  if (cross == CrossTerm::kGathered) cross_ = at::zeros({in_features, in_features}, options);
}

void InputStatistics::Add(const at::Tensor& quantized, const at::Tensor& original) {
  num_tokens_ += quantized.size(0);
  const bool on_cpu = quantized.is_cpu();
  // CPU products of bf16 round their result to bf16.
  const at::Tensor q = on_cpu ? quantized.to(at::kFloat) : quantized;
  if (cross_.defined()) AddProduct(cross_, on_cpu ? original.to(at::kFloat) : original, q);
  if (!on_cpu) {
    AddProduct(gram_, q, q);
    return;
  }
  const int64_t in_features = gram_.size(0);
  const int64_t block = GramBlock(in_features);
  for (int64_t first = 0; first < in_features; first += block) {
    const int64_t last = std::min(first + block, in_features);
    AddProduct(gram_.slice(0, first).slice(1, first, last), q.slice(1, first), q.slice(1, first, last));
  }
}

at::Tensor InputStatistics::Hessian() const {
  const at::Tensor lower = at::tril(gram_);
  return (lower + at::tril(gram_, -1).t()).mul_(2.0 / static_cast<double>(std::max<int64_t>(1, num_tokens_)));
}

at::Tensor InputStatistics::Cross() const {
  const at::Tensor gram = at::tril(gram_) + at::tril(gram_, -1).t();
  return (cross_ - gram).mul_(2.0 / static_cast<double>(std::max<int64_t>(1, num_tokens_)));
}

}  // namespace pivot
