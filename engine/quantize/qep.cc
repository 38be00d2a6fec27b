// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/qep.h"

#include <ATen/ATen.h>
#include <tuple>

#include "engine/ops/call_torch.h"
#include "engine/ops/triangles.h"
#include "proto/status/reason.h"

namespace pivot {
namespace {

constexpr int kMaxDampingSteps = 5;

double Norm(const at::Tensor& matrix) { return at::linalg_vector_norm(matrix).item<double>(); }

}  // namespace

absl::StatusOr<CorrectedWeight> PropagateError(const at::Tensor& weight, const at::Tensor& hessian,
                                               const at::Tensor& moved, const at::Tensor& residual,
                                               const Propagation& propagation) {
  return CallTorch("error propagation", [&]() -> absl::StatusOr<CorrectedWeight> {
    at::Tensor damped = hessian.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
    damped.diagonal().masked_fill_(damped.diagonal() == 0, 1.0);
    const double mean_diagonal = damped.diagonal().mean().item<double>();
    at::Tensor target = moved * propagation.alpha;
    if (residual.defined()) target.add_(residual, propagation.residual);
    CorrectedWeight corrected{.weight = {}, .percdamp = propagation.percdamp};
    double added = 0;
    for (int step = 0; step <= kMaxDampingSteps; ++step, corrected.percdamp *= 10) {
      damped.diagonal().add_(corrected.percdamp * mean_diagonal - added);
      added = corrected.percdamp * mean_diagonal;
      const auto [lower, info] = at::linalg_cholesky_ex(damped);
      if (info.item<int>() != 0) continue;
      // The moments are no more exact than fp32 either.
      const at::Tensor change = target.clone(at::MemoryFormat::Contiguous);
      SolveRows(lower, change);
      if (!at::isfinite(change).all().item<bool>()) continue;
      corrected.relative_change = Norm(change) / std::max(Norm(weight), 1e-300);
      corrected.weight = (weight + change).contiguous();
      return corrected;
    }
    return WithReason(absl::FailedPreconditionError("no damping makes the error propagation solvable"),
                      "NUMERICAL_FAILURE");
  });
}

}  // namespace pivot
