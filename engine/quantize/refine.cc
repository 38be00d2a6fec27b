// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/refine.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <utility>

#include "engine/ops/call_torch.h"
#include "kernels/refine_panel.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// [out, in] fp32: what codes and scales stand for.
at::Tensor ValueOf(const at::Tensor& codes, const QuantizationGrid& grid) {
  at::Tensor steps = codes.to(at::kFloat).view({codes.size(0), grid.scale.size(1), -1});
  if (grid.zero_point.defined()) steps = steps - grid.zero_point.unsqueeze(-1);
  return (steps * grid.scale.unsqueeze(-1)).view(codes.sizes());
}

class Descent {
 public:
  Descent(const at::Tensor& weight, const at::Tensor& hessian, RefinedCodes start, int bits, int scale_digits)
      : weight_(weight), hessian_(hessian), state_(std::move(start)), bits_(bits), scale_digits_(scale_digits) {
    group_size_ = weight.size(1) / state_.grid.scale.size(1);
    const at::Tensor error = weight_ - ValueOf(state_.codes, state_.grid);
    gradient_ = at::mm(error, hessian_);
    first_losses_ = (gradient_ * error).sum(1, /*keepdim=*/false, at::kDouble);
  }

  absl::Status Sweep() {
    for (int64_t group = 0; group < state_.grid.scale.size(1); ++group) PIVOT_RETURN_IF_ERROR(VisitGroup(group));
    return absl::OkStatus();
  }

  RefinedCodes& state() { return state_; }

  /// Of each row before the first sweep, [out] f64.
  const at::Tensor& first_losses() const { return first_losses_; }
  /// Of each row now, from the codes and scales themselves.
  at::Tensor Losses() const {
    const at::Tensor error = weight_ - ValueOf(state_.codes, state_.grid);
    return (at::mm(error, hessian_) * error).sum(1, /*keepdim=*/false, at::kDouble);
  }

 private:
  absl::Status VisitGroup(int64_t group) {
    const int64_t first = group * group_size_;
    const at::Tensor rows = hessian_.narrow(0, first, group_size_);
    const at::Tensor own = rows.narrow(1, first, group_size_);
    // Copies: a group may be the whole row.
    at::Tensor local = gradient_.narrow(1, first, group_size_).clone(at::MemoryFormat::Contiguous);
    at::Tensor codes = state_.codes.narrow(1, first, group_size_).clone(at::MemoryFormat::Contiguous);
    at::Tensor change = MoveScale(group, codes, own, local);
    const at::Tensor scale = state_.grid.scale.select(1, group);
    for (int64_t begin = 0; begin < group_size_; begin += kMaxPanelColumns) {
      const int64_t columns = std::min(kMaxPanelColumns, group_size_ - begin);
      at::Tensor panel_gradient = local.narrow(1, begin, columns).contiguous();
      at::Tensor panel_codes = codes.narrow(1, begin, columns).contiguous();
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor panel_change,
                             RefinePanelCodes(own.narrow(0, begin, columns).narrow(1, begin, columns), scale, bits_,
                                              panel_gradient, panel_codes));
      codes.narrow(1, begin, columns).copy_(panel_codes);
      change.narrow(1, begin, columns).add_(panel_change);
      // The panels that follow inside this group see the move at once, the rest of the row behind the group.
      if (begin + columns < group_size_) local.addmm_(panel_change, own.narrow(0, begin, columns), 1, -1);
    }
    state_.codes.narrow(1, first, group_size_).copy_(codes);
    gradient_.addmm_(change, rows, /*beta=*/1, /*alpha=*/-1);
    return absl::OkStatus();
  }

  /// The group's best scales where they lower the loss. Moves `local`, the gradient of the group's columns, and returns
  /// the change of the weight there.
  at::Tensor MoveScale(int64_t group, const at::Tensor& codes, const at::Tensor& own, at::Tensor& local) {
    at::Tensor steps = codes.to(at::kFloat);
    if (state_.grid.zero_point.defined()) steps = steps - state_.grid.zero_point.narrow(1, group, 1);
    const at::Tensor curve = at::mm(steps, own);
    const at::Tensor slope = (steps * local).sum(1);
    const at::Tensor curvature = (steps * curve).sum(1);
    at::Tensor scale = state_.grid.scale.select(1, group);
    const at::Tensor wanted = StorableScales(scale + slope / curvature, scale_digits_);
    const at::Tensor move = wanted - scale;
    // false for anything that is not a number
    const at::Tensor is_better = (move * (2 * slope - move * curvature)).gt(0).logical_and(at::isfinite(wanted));
    const at::Tensor taken = at::where(is_better, move, at::zeros_like(move));
    scale.copy_(at::where(is_better, wanted, scale));
    local.sub_(curve * taken.unsqueeze(1));
    return steps * taken.unsqueeze(1);
  }

  const at::Tensor& weight_;
  const at::Tensor& hessian_;
  RefinedCodes state_;
  int bits_;
  int scale_digits_;
  int64_t group_size_;
  at::Tensor gradient_;  // (W - V) H, [out, in]
  at::Tensor first_losses_;
};

}  // namespace

absl::StatusOr<RefinedCodes> RefineCodes(const at::Tensor& weight, const at::Tensor& codes,
                                         const QuantizationGrid& grid, const at::Tensor& hessian,
                                         const WeightScheme& scheme, const Refinement& refinement) {
  if (weight.sizes() != codes.sizes() || hessian.size(0) != weight.size(1) || hessian.size(1) != weight.size(1) ||
      grid.scale.size(0) != weight.size(0))
    return absl::InvalidArgumentError("weight, codes, scale and Hessian do not fit together");
  return CallTorch("refining codes", [&]() -> absl::StatusOr<RefinedCodes> {
    const RefinedCodes start{.codes = codes, .grid = grid};
    RefinedCodes copy{.codes = codes.clone(), .grid = grid};
    copy.grid.scale = grid.scale.clone();
    Descent descent(weight, hessian, std::move(copy), scheme.bits, refinement.scale_digits);
    for (int64_t sweep = 0; sweep < refinement.sweeps; ++sweep) PIVOT_RETURN_IF_ERROR(descent.Sweep());
    RefinedCodes& found = descent.state();
    const at::Tensor is_better = descent.Losses().lt(descent.first_losses()).unsqueeze(1);
    found.codes = at::where(is_better, found.codes, start.codes);
    found.grid.scale = at::where(is_better, found.grid.scale, start.grid.scale);
    return found;
  });
}

}  // namespace pivot
