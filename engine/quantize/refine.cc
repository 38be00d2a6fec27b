// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/refine.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <utility>

#include "engine/ops/call_torch.h"
#include "engine/ops/row_forms.h"
#include "engine/ops/tf32_parts.h"
#include "kernels/refine_group.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Neighbouring groups whose changes reach the rest of the row in one product: as many columns, but a part of the row,
// since the product repeats what they exchanged among themselves.
constexpr int64_t kStripColumns = 512;
constexpr int64_t kMinStrips = 4;

/// [out, in] fp32: what codes and scales stand for.
at::Tensor ValueOf(const at::Tensor& codes, const QuantizationGrid& grid) {
  at::Tensor steps = codes.to(at::kFloat).view({codes.size(0), grid.scale.size(1), -1});
  if (grid.zero_point.defined()) steps = steps - grid.zero_point.unsqueeze(-1);
  return (steps * grid.scale.unsqueeze(-1)).view(codes.sizes());
}

/// gradient[:, from:] -= change H[begin : begin + columns of change, from:].
void MoveGradient(const at::Tensor& change, int64_t begin, const at::Tensor& hessian, int64_t from,
                  const at::Tensor& gradient) {
  const int64_t columns = gradient.size(1) - from;
  if (columns == 0) return;
  const at::Tensor rows = hessian.narrow(0, begin, change.size(1));
  SubtractProduct(change, rows.narrow(1, from, columns), gradient.narrow(1, from, columns));
}

/// The best scales of a group where they lower the loss; moves its gradient and sets its change. As the kernel does for
/// groups that are no wider than a panel.
void MoveScale(const GroupTensors& group, int scale_digits) {
  at::Tensor steps = group.codes.to(at::kFloat);
  if (group.zero_point.defined()) steps = steps - group.zero_point.unsqueeze(1);
  const at::Tensor curve = at::mm(steps, group.hessian);
  const at::Tensor slope = (steps * group.gradient).sum(1);
  const at::Tensor curvature = (steps * curve).sum(1);
  const at::Tensor wanted = StorableScales(group.scale + slope / curvature, scale_digits);
  const at::Tensor move = wanted - group.scale;
  // false for anything that is not a number
  const at::Tensor is_better = (move * (2 * slope - move * curvature)).gt(0).logical_and(at::isfinite(wanted));
  const at::Tensor taken = at::where(is_better, move, at::zeros_like(move)).unsqueeze(1);
  group.scale.copy_(at::where(is_better, wanted, group.scale));
  group.gradient.sub_(curve * taken);
  group.change.copy_(steps * taken);
}

class Descent {
 public:
  Descent(const at::Tensor& weight, const at::Tensor& hessian, RefinedCodes start, int bits, int scale_digits)
      : weight_(weight), hessian_(hessian), state_(std::move(start)), bits_(bits), scale_digits_(scale_digits) {
    num_groups_ = state_.grid.scale.size(1);
    group_size_ = weight.size(1) / num_groups_;
    strip_groups_ = std::max<int64_t>(1, std::min(kStripColumns / group_size_, num_groups_ / kMinStrips));
    const at::Tensor error = weight_ - ValueOf(state_.codes, state_.grid);
    gradient_ = at::mm(error, hessian_);
    first_losses_ = RowProducts(gradient_, error);
    local_ = at::empty({weight.size(0), strip_groups_ * group_size_}, gradient_.options());
    change_ = at::empty_like(local_);
  }

  absl::Status Run(int64_t sweeps) {
    for (int64_t sweep = 0; sweep < sweeps; ++sweep) {
      for (int64_t first = 0; first < num_groups_; first += strip_groups_) {
        const int64_t end = std::min(first + strip_groups_, num_groups_);
        PIVOT_RETURN_IF_ERROR(VisitStrip(first, end));
        // Nothing reads the gradient of columns that the last sweep has left behind.
        const int64_t from = sweep + 1 < sweeps ? 0 : end * group_size_;
        MoveGradient(change_.narrow(1, 0, (end - first) * group_size_), first * group_size_, hessian_, from, gradient_);
      }
    }
    return absl::OkStatus();
  }

  RefinedCodes& state() { return state_; }

  /// Of each row before the first sweep, [out] f64.
  const at::Tensor& first_losses() const { return first_losses_; }
  /// Of each row now, from the codes and scales themselves.
  at::Tensor Losses() const {
    return SymmetricForms(weight_ - ValueOf(state_.codes, state_.grid), hessian_, FormDigits::kFull);
  }

 private:
  /// Groups [first, end). Inside a strip each group sees at once what those before it changed; the rest of the row sees
  /// change_ when the strip is done.
  absl::Status VisitStrip(int64_t first, int64_t end) {
    const int64_t begin = first * group_size_;
    const int64_t columns = (end - first) * group_size_;
    const at::Tensor hessian = hessian_.narrow(0, begin, columns).narrow(1, begin, columns);
    const at::Tensor local = local_.narrow(1, 0, columns);
    local.copy_(gradient_.narrow(1, begin, columns));
    for (int64_t group = first; group < end; ++group) {
      const int64_t offset = group * group_size_ - begin;
      const at::Tensor change = change_.narrow(1, offset, group_size_);
      const at::Tensor& zero_point = state_.grid.zero_point;
      PIVOT_RETURN_IF_ERROR(
          VisitGroup({.hessian = hessian.narrow(0, offset, group_size_).narrow(1, offset, group_size_),
                      .gradient = local.narrow(1, offset, group_size_),
                      .scale = state_.grid.scale.select(1, group),
                      .zero_point = zero_point.defined() ? zero_point.select(1, group) : at::Tensor(),
                      .codes = state_.codes.narrow(1, group * group_size_, group_size_),
                      .change = change}));
      MoveGradient(change, offset, hessian, offset + group_size_, local);
    }
    return absl::OkStatus();
  }

  absl::Status VisitGroup(const GroupTensors& group) const {
    if (group_size_ <= kMaxPanelColumns) return RefineGroupCodes(group, bits_, scale_digits_);
    MoveScale(group, scale_digits_);
    for (int64_t begin = 0; begin < group_size_; begin += kMaxPanelColumns) {
      const int64_t columns = std::min(kMaxPanelColumns, group_size_ - begin);
      const GroupTensors panel{.hessian = group.hessian.narrow(0, begin, columns).narrow(1, begin, columns),
                               .gradient = group.gradient.narrow(1, begin, columns),
                               .scale = group.scale,
                               .codes = group.codes.narrow(1, begin, columns),
                               .change = at::empty({group.codes.size(0), columns}, group.change.options())};
      PIVOT_RETURN_IF_ERROR(RefineGroupCodes(panel, bits_, /*scale_digits=*/0));
      group.change.narrow(1, begin, columns).add_(panel.change);
      MoveGradient(panel.change, begin, group.hessian, begin + columns, group.gradient);
    }
    return absl::OkStatus();
  }

  const at::Tensor& weight_;
  const at::Tensor& hessian_;
  RefinedCodes state_;
  int bits_;
  int scale_digits_;
  int64_t num_groups_;
  int64_t group_size_;
  int64_t strip_groups_;
  at::Tensor gradient_;  // (W - V) H, [out, in]; of the strip at work, as it was before
  at::Tensor local_;     // [out, columns of a strip]: its gradient
  at::Tensor change_;    // [out, columns of a strip]: what was added to V there
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
    RefinedCodes copy{.codes = codes.clone(at::MemoryFormat::Contiguous), .grid = grid};
    copy.grid.scale = grid.scale.clone();
    Descent descent(weight, hessian, std::move(copy), scheme.bits, refinement.scale_digits);
    PIVOT_RETURN_IF_ERROR(descent.Run(refinement.sweeps));
    RefinedCodes& found = descent.state();
    const at::Tensor is_better = descent.Losses().lt(descent.first_losses()).unsqueeze(1);
    found.codes = at::where(is_better, found.codes, start.codes);
    found.grid.scale = at::where(is_better, found.grid.scale, start.grid.scale);
    return found;
  });
}

}  // namespace pivot
