// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/input_statistics.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "engine/ops/activation_calls.h"

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

/// sum += aᵀ a, on the CPU only the blocks on and below the diagonal.
void AddGram(const at::Tensor& sum, const at::Tensor& a) {
  if (!a.is_cpu()) {
    AddProduct(sum, a, a);
    return;
  }
  const int64_t features = sum.size(0);
  const int64_t block = GramBlock(features);
  for (int64_t first = 0; first < features; first += block) {
    const int64_t last = std::min(first + block, features);
    AddProduct(sum.slice(0, first).slice(1, first, last), a.slice(1, first), a.slice(1, first, last));
  }
}

at::Tensor Symmetric(const at::Tensor& gram) { return at::tril(gram) + at::tril(gram, -1).t(); }

/// ATen's CPU products of bf16 round their result to bf16.
at::Tensor ForProducts(const at::Tensor& tokens) { return tokens.is_cpu() ? tokens.to(at::kFloat) : tokens; }

}  // namespace

InputStatistics::InputStatistics(int64_t in_features, CrossTerm cross, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  gram_ = at::zeros({in_features, in_features}, options);
  if (cross == CrossTerm::kNone) return;
  cross_ = at::zeros({in_features, in_features}, options);
  difference_ = at::zeros({in_features, in_features}, options);
}

void InputStatistics::Add(const at::Tensor& quantized, const at::Tensor& original, const at::Tensor& residual_error) {
  num_tokens_ += quantized.size(0);
  if (residual_error.defined() && !residual_.defined())
    residual_ = at::zeros({residual_error.size(1), quantized.size(1)}, gram_.options());
  if (CanPackTokens(quantized)) {
    AddPacked(quantized, original, residual_error);
    return;
  }
  const at::Tensor q = ForProducts(quantized);
  AddGram(gram_, q);
  if (cross_.defined()) {
    const at::Tensor difference = ForProducts(original) - q;
    AddProduct(cross_, difference, q);
    AddGram(difference_, difference);
  }
  if (residual_error.defined()) AddProduct(residual_, ForProducts(residual_error), q);
}

void InputStatistics::AddPacked(const at::Tensor& quantized, const at::Tensor& original,
                                const at::Tensor& residual_error) {
  const PackedTokens q = PackTokenRows(quantized);
  AddTokenProducts(q, q, ProductPart::kLower, gram_);
  if (cross_.defined()) {
    const PackedTokens difference = PackTokenRows(original - quantized);
    AddTokenProducts(difference, q, ProductPart::kAll, cross_);
    AddTokenProducts(difference, difference, ProductPart::kLower, difference_);
  }
  if (residual_error.defined()) AddTokenProducts(PackTokenRows(residual_error), q, ProductPart::kAll, residual_);
}

double InputStatistics::Factor() const { return 2.0 / static_cast<double>(std::max<int64_t>(1, num_tokens_)); }

at::Tensor InputStatistics::Hessian() const { return Symmetric(gram_).mul_(Factor()); }

at::Tensor InputStatistics::Cross() const { return cross_ * Factor(); }

at::Tensor InputStatistics::Difference() const { return Symmetric(difference_).mul_(Factor()); }

at::Tensor InputStatistics::Residual() const { return residual_ * Factor(); }

}  // namespace pivot
