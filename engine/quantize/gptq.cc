// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/gptq.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "engine/ops/call_torch.h"
#include "engine/ops/part_seconds.h"
#include "engine/ops/tf32_parts.h"
#include "engine/ops/triangles.h"
#include "engine/quantize/float_grid.h"
#include "kernels/gptq_panel.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kMaxDampingSteps = 5;
constexpr int64_t kSuperColumns = 4 * kMaxPanelColumns;

absl::Status NumericalFailure(absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(problem), "NUMERICAL_FAILURE");
}

at::Tensor VisitingOrder(const at::Tensor& diagonal, ActOrder act_order) {
  if (act_order == ActOrder::kNone) return at::arange(diagonal.size(0), diagonal.options().dtype(at::kLong));
  return at::argsort(diagonal, /*stable=*/true, /*dim=*/0, /*descending=*/true);
}

/// U with UᵀU = inv(A), given A with its rows and columns in reverse order, or nothing when A is not positive definite.
/// With B the reverse of A and B = L Lᵀ, U is the reverse of inv(L): one factorization, and no inverse of A.
at::Tensor TryFactorize(const at::Tensor& reversed) {
  auto [lower, info] = at::linalg_cholesky_ex(reversed);
  if (info.item<int>() != 0) return {};
  InvertLower(lower);
  at::Tensor upper = lower.to(at::kFloat).flip({0, 1}).contiguous();
  return at::isfinite(upper).all().item<bool>() ? upper : at::Tensor();
}

absl::Status CheckShapes(const at::Tensor& weight, const at::Tensor& scale) {
  const bool agree = weight.dim() == 2 && scale.dim() == 2 && weight.size(0) == scale.size(0) && scale.size(1) > 0 &&
                     weight.size(1) % scale.size(1) == 0;
  if (agree) return absl::OkStatus();
  return absl::InvalidArgumentError("weight and scale do not fit together");
}

/// w + s z: on this the grid is the symmetric one. The weight itself when it is already.
at::Tensor Shifted(const at::Tensor& weight, const QuantizationGrid& grid) {
  if (!grid.zero_point.defined()) return weight;
  const at::Tensor shift = (grid.scale * grid.zero_point).unsqueeze(-1);
  return (weight.reshape({weight.size(0), grid.scale.size(1), -1}) + shift).view(weight.sizes());
}

/// GPTQ's loop over columns in the order of the factor. Errors go into the columns of a super-panel after each panel,
/// and into the rest of the row after each super-panel: the same sums, with fewer passes over the weight.
class ColumnLoop {
 public:
  ColumnLoop(const at::Tensor& weight, const QuantizationGrid& grid, const HessianFactor& factor,
             const WeightScheme& scheme)
      : upper_(factor.upper), order_(factor.order), scheme_(scheme), scale_(EffectiveScale(grid).contiguous()) {
    const int64_t group_size = weight.size(1) / scale_.size(1);
    group_ = at::floor_divide(order_, group_size).to(at::kInt);
    remaining_ = Shifted(weight.masked_fill(factor.dead, 0.0), grid).index_select(1, order_);
    codes_ = at::empty(weight.sizes(), weight.options().dtype(at::kChar));
    errors_ = at::empty({weight.size(0), std::min(kSuperColumns, weight.size(1))}, weight.options());
  }

  absl::Status QuantizeSuperPanel(int64_t begin) {
    const int64_t in_features = remaining_.size(1);
    const int64_t end = std::min(begin + kSuperColumns, in_features);
    for (int64_t first = begin; first < end; first += kMaxPanelColumns) {
      const int64_t last = std::min(first + kMaxPanelColumns, end);
      const at::Tensor errors = errors_.slice(1, first - begin, last - begin);
      PIVOT_RETURN_IF_ERROR(QuantizePanelAt(first, last, errors));
      Subtract(errors, first, last, last, end);
    }
    Subtract(errors_.slice(1, 0, end - begin), begin, end, end, in_features);
    return absl::OkStatus();
  }

  /// In the order of the weight's columns.
  at::Tensor Codes() const { return at::empty_like(codes_).index_copy_(1, order_, codes_); }

 private:
  absl::Status QuantizePanelAt(int64_t first, int64_t last, const at::Tensor& errors) {
    const Part part("panel");
    return QuantizePanel({.weight = remaining_.slice(1, first, last),
                          .factor = upper_.slice(0, first, last).slice(1, first, last),
                          .scale = scale_,
                          .group = group_.slice(0, first, last),
                          .codes = codes_.slice(1, first, last),
                          .errors = errors},
                         scheme_);
  }

  /// Takes the errors of columns [first, last) over into columns [begin, end).
  void Subtract(const at::Tensor& errors, int64_t first, int64_t last, int64_t begin, int64_t end) {
    if (begin == end) return;
    const Part part("trailing update");
    SubtractProduct(errors, upper_.slice(0, first, last).slice(1, begin, end), remaining_.slice(1, begin, end));
  }

  const at::Tensor& upper_;
  const at::Tensor& order_;
  const WeightScheme& scheme_;
  at::Tensor scale_;      // [out, groups]
  at::Tensor group_;      // [in] i32, of the column visited at each step
  at::Tensor remaining_;  // [out, in], columns in visiting order
  at::Tensor codes_;      // [out, in], columns in visiting order
  at::Tensor errors_;     // [out, kSuperColumns]
};

}  // namespace

at::Tensor RegularizeHessian(const at::Tensor& hessian, double strength) {
  at::Tensor result = hessian.clone();
  const at::Tensor diagonal = hessian.diagonal();
  result.diagonal().add_((diagonal * diagonal.mean()).sqrt_().mul_(strength));
  return result;
}

at::Tensor ConditionalImportance(const HessianFactor& factor) {
  const at::Tensor visited = factor.upper.square().sum(0).reciprocal();  // inv(H) = UᵀU
  return at::empty_like(visited).index_copy_(0, factor.order, visited);
}

absl::StatusOr<HessianFactor> FactorizeHessian(const at::Tensor& hessian, double percdamp, ActOrder act_order) {
  return CallTorch("factorizing a Hessian", [&]() -> absl::StatusOr<HessianFactor> {
    if (hessian.dim() != 2 || hessian.size(0) != hessian.size(1))
      return absl::InvalidArgumentError("the Hessian is not square");
    if (!at::isfinite(hessian).all().item<bool>())
      return NumericalFailure("the Hessian holds values that are not finite");
    const Part part("factorization");
    HessianFactor factor;
    const at::Tensor diagonal = hessian.diagonal().to(at::kDouble);
    factor.dead = diagonal == 0;
    factor.dead_columns = factor.dead.sum().item<int64_t>();
    const at::Tensor alive = diagonal.masked_fill(factor.dead, 1.0);
    factor.order = VisitingOrder(alive, act_order);
    const at::Tensor backwards = factor.order.flip(0);
    at::Tensor reversed = hessian.index_select(0, backwards).index_select(1, backwards).to(at::kDouble);
    const double mean_diagonal = alive.mean().item<double>();
    factor.percdamp = percdamp;
    for (int step = 0; step <= kMaxDampingSteps; ++step) {
      reversed.diagonal().copy_(alive.index_select(0, backwards) + factor.percdamp * mean_diagonal);
      factor.upper = TryFactorize(reversed);
      if (factor.upper.defined()) return factor;
      factor.percdamp *= 10;
    }
    return NumericalFailure(absl::StrCat("the Hessian is not positive definite even with a damping of ",
                                         factor.percdamp / 10, " times its mean diagonal"));
  });
}

absl::StatusOr<at::Tensor> QuantizeGptq(const at::Tensor& weight, const QuantizationGrid& grid,
                                        const HessianFactor& factor, const WeightScheme& scheme) {
  PIVOT_RETURN_IF_ERROR(CheckShapes(weight, grid.scale));
  return CallTorch("GPTQ", [&]() -> absl::StatusOr<at::Tensor> {
    const Part part("error feedback");
    ColumnLoop loop(weight, grid, factor, scheme);
    for (int64_t first = 0; first < weight.size(1); first += kSuperColumns)
      PIVOT_RETURN_IF_ERROR(loop.QuantizeSuperPanel(first));
    return loop.Codes();
  });
}

absl::StatusOr<at::Tensor> QuantizeRtn(const at::Tensor& weight, const QuantizationGrid& grid,
                                       const WeightScheme& scheme) {
  PIVOT_RETURN_IF_ERROR(CheckShapes(weight, grid.scale));
  if (!scheme.is_integer()) return RoundToFloats(weight, grid, scheme.type);
  return CallTorch("rounding to nearest", [&] {
    const at::Tensor groups = Shifted(weight, grid).view({weight.size(0), grid.scale.size(1), -1});
    const double lowest = -static_cast<double>(1 << (scheme.bits - 1));
    const at::Tensor codes = (groups / grid.scale.unsqueeze(-1)).round_().clamp_(lowest, -lowest - 1);
    return codes.to(at::kChar).view(weight.sizes());
  });
}

ProxyLoss MeasureProxyLoss(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& hessian) {
  const auto form = [&hessian](const at::Tensor& matrix) {
    return (at::mm(matrix, hessian) * matrix).sum(at::kDouble).item<double>();
  };
  return {.loss = form(weight - quantized), .energy = form(weight)};
}

}  // namespace pivot
