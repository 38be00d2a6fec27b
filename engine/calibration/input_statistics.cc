// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/input_statistics.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <utility>

#include "engine/calibration/tile_products.h"
#include "engine/ops/activation_calls.h"
#include "engine/ops/part_seconds.h"

namespace pivot {
namespace {

constexpr int64_t kWideFeatures = 8192;

/// sum += aᵀ b in fp32; `sum` may be a part of a matrix.
void AddProduct(at::Tensor sum, const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) {
    sum.addmm_(a.t(), b);
  } else {
    at::addmm_out(sum, sum, a.t(), b, at::kFloat);  // a GPU multiplies bf16 and sums in fp32
  }
}

/// Columns of a block of a symmetric sum: four blocks a side save three eighths of the arithmetic, eight a sixteenth
/// more; narrow ones slow the products down.
int64_t BlockColumns(int64_t features) {
  return features >= kWideFeatures ? features / 8 : std::max<int64_t>(192, (features + 3) / 4);
}

/// sum += aᵀ a, the blocks on and below the diagonal.
void AddGram(const at::Tensor& sum, const at::Tensor& a) {
  const int64_t features = sum.size(0);
  const int64_t block = BlockColumns(features);
  for (int64_t first = 0; first < features; first += block) {
    const int64_t last = std::min(first + block, features);
    AddProduct(sum.slice(0, first).slice(1, first, last), a.slice(1, first), a.slice(1, first, last));
  }
}

/// Makes a sum symmetric whose elements on and below the diagonal are there.
void Mirror(const at::Tensor& sum) {
  const int64_t features = sum.size(0);
  const int64_t block = BlockColumns(features);
  for (int64_t first = 0; first < features; first += block) {
    const int64_t last = std::min(first + block, features);
    at::Tensor own = sum.slice(0, first, last).slice(1, first, last);
    own.copy_(at::tril(own) + at::tril(own, -1).t());
    sum.slice(0, first, last).slice(1, last).copy_(sum.slice(0, last).slice(1, first, last).t());
  }
}

/// ATen's CPU products of bf16 round their result to bf16.
at::Tensor ForProducts(const at::Tensor& tokens) { return tokens.is_cpu() ? tokens.to(at::kFloat) : tokens; }

}  // namespace

bool IsFinite(const at::Tensor& moment) {
  if (!moment.defined()) return true;
  return at::isfinite(moment.dim() == 2 ? moment.diagonal() : moment).all().item<bool>();
}

bool AreFinite(const InputMoments& moments) {
  return IsFinite(moments.hessian) && IsFinite(moments.difference) && IsFinite(moments.drift);
}

InputStatistics::InputStatistics(int64_t in_features, CrossTerm cross, at::Device device, at::Tensor drift_weight)
    : drift_weight_(std::move(drift_weight)) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  sums_.hessian = at::zeros({in_features, in_features}, options);
  if (cross == CrossTerm::kNone) return;
  sums_.cross = at::zeros({in_features, in_features}, options);
  if (drift_weight_.defined()) {
    sums_.drift = at::zeros({drift_weight_.size(0)}, options);
  } else {
    sums_.difference = at::zeros({in_features, in_features}, options);
  }
}

void InputStatistics::Add(const at::Tensor& quantized, const at::Tensor& original, const at::Tensor& residual_error) {
  sums_.num_tokens += quantized.size(0);
  if (residual_error.defined() && !sums_.residual.defined())
    sums_.residual = at::zeros({residual_error.size(1), quantized.size(1)}, sums_.hessian.options());
  if (CanPackTokens(quantized)) {
    AddPacked(quantized, original, residual_error);
    return;
  }
  const at::Tensor q = ForProducts(quantized);
  {
    const Part part("moments H");
    AddGram(sums_.hessian, q);
  }
  if (sums_.cross.defined()) {
    const at::Tensor difference = ForProducts(original) - q;
    const Part part("moments C");
    AddProduct(sums_.cross, difference, q);
    const Part inner("moments D");
    AddDrift(difference);
    if (sums_.difference.defined()) AddGram(sums_.difference, difference);
  }
  const Part part("moments R");
  if (residual_error.defined()) AddProduct(sums_.residual, ForProducts(residual_error), q);
}

namespace {

/// Tokens in the forms that products on the CPU take them in: as a left side and as a right side.
struct BothSides {
  explicit BothSides(const at::Tensor& tokens) : right(PackTokenRows(tokens)) {
    if (HasTileProducts()) rows = ByFeature(tokens);
  }
  /// sum += thisᵀ other.
  void AddTo(const at::Tensor& sum, const BothSides& other, ProductPart part) const {
    if (rows.defined()) {
      AddTileProducts(rows, other.right, part, sum);
    } else {
      AddTokenProducts(right, other.right, part, sum);
    }
  }
  at::Tensor rows;  // undefined without AMX
  PackedTokens right;
};

}  // namespace

void InputStatistics::AddPacked(const at::Tensor& quantized, const at::Tensor& original,
                                const at::Tensor& residual_error) {
  const Part part("moments");
  const BothSides q(quantized);
  q.AddTo(sums_.hessian, q, ProductPart::kLower);
  if (sums_.cross.defined()) {
    const at::Tensor plain = original - quantized;
    const BothSides difference(plain);
    difference.AddTo(sums_.cross, q, ProductPart::kAll);
    AddDrift(plain);
    if (sums_.difference.defined()) difference.AddTo(sums_.difference, difference, ProductPart::kLower);
  }
  if (residual_error.defined()) BothSides(residual_error).AddTo(sums_.residual, q, ProductPart::kAll);
}

void InputStatistics::AddDrift(const at::Tensor& difference) {
  if (!sums_.drift.defined()) return;
  const at::Tensor moved = at::linear(difference, drift_weight_.to(difference.scalar_type()));
  sums_.drift.add_(at::linalg_vector_norm(moved, 2, {0}, /*keepdim=*/false, at::kFloat).square_());
}

InputMoments InputStatistics::Finish() && {
  const double factor = 2.0 / static_cast<double>(std::max<int64_t>(1, sums_.num_tokens));
  for (const at::Tensor& sum : {sums_.hessian, sums_.difference}) {
    if (sum.defined()) Mirror(sum);
  }
  for (const at::Tensor& sum : {sums_.hessian, sums_.cross, sums_.difference, sums_.drift, sums_.residual}) {
    if (sum.defined()) sum.mul_(factor);
  }
  return std::move(sums_);
}

}  // namespace pivot
