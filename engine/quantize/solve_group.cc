// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/solve_group.h"

#include <ATen/ATen.h>
#include <utility>

#include "engine/ops/call_torch.h"
#include "engine/ops/kernel_calls.h"
#include "engine/quantize/float_grid.h"
#include "engine/quantize/gptq.h"
#include "engine/quantize/qep.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// All members as one matrix: they share one factorization.
struct StackedSolution {
  at::Tensor weight;  // [out, in] fp32, as it was quantized
  at::Tensor codes;
  QuantizationGrid grid;
  at::Tensor hessian;  // undefined without statistics
  LinearReport report;
};

/// Scales rounded to 7 significant bits; exact ones of bf16 and fp16 stay exact there.
at::Tensor ShortScales(const at::Tensor& scale) {
  constexpr double kSteps = 128;
  const auto [fraction, exponent] = at::frexp(scale);
  return at::ldexp((fraction * kSteps).round() / kSteps, exponent);
}

absl::StatusOr<QuantizationGrid> GridOf(const at::Tensor& weight, const at::Tensor& importance,
                                        const WeightScheme& scheme, const QuantizeOptions& options) {
  if (!scheme.is_integer()) return SearchFloatGrid(weight, importance, scheme, options.clip_search);
  PIVOT_ASSIGN_OR_RETURN(QuantizationGrid grid, SearchGrid(weight, importance, scheme, options.clip_search));
  if (options.short_scales) grid.scale = ShortScales(grid.scale);
  return grid;
}

absl::StatusOr<StackedSolution> SolveWithStatistics(const at::Tensor& weight, const InputStatistics& statistics,
                                                    const WeightScheme& scheme, const QuantizeOptions& options) {
  StackedSolution solution{.weight = weight, .hessian = statistics.Hessian()};
  if (statistics.has_cross() && options.qep_alpha > 0) {
    PIVOT_ASSIGN_OR_RETURN(CorrectedWeight corrected, PropagateError(weight, solution.hessian, statistics.Cross(),
                                                                     options.qep_alpha, options.percdamp));
    solution.weight = corrected.weight;
    solution.report.correction = corrected.relative_change;
  }
  PIVOT_ASSIGN_OR_RETURN(const HessianFactor factor,
                         FactorizeHessian(solution.hessian, options.percdamp, options.act_order));
  solution.report.percdamp = factor.percdamp;
  solution.report.dead_columns = factor.dead_columns;
  const bool by_diagonal = options.clip_search == ClipSearch::kHessianDiagonal;
  const at::Tensor importance =
      by_diagonal ? solution.hessian.diagonal().contiguous() : at::ones_like(solution.hessian.diagonal());
  PIVOT_ASSIGN_OR_RETURN(solution.grid, GridOf(solution.weight, importance, scheme, options));
  PIVOT_ASSIGN_OR_RETURN(solution.codes, QuantizeGptq(solution.weight, solution.grid, factor, scheme));
  return solution;
}

absl::StatusOr<StackedSolution> SolveByRounding(const at::Tensor& weight, const WeightScheme& scheme,
                                                const QuantizeOptions& options) {
  StackedSolution solution{.weight = weight};
  const at::Tensor importance = at::ones({weight.size(1)}, weight.options());
  PIVOT_ASSIGN_OR_RETURN(solution.grid, GridOf(weight, importance, scheme, options));
  PIVOT_ASSIGN_OR_RETURN(solution.codes, QuantizeRtn(weight, solution.grid, scheme));
  return solution;
}

SolvedLinear MemberOf(const StackedSolution& solution, int64_t first_row, int64_t rows, const WeightScheme& scheme) {
  SolvedLinear member{.quantized = {.codes = solution.codes.narrow(0, first_row, rows),
                                    .scale = solution.grid.scale.narrow(0, first_row, rows),
                                    .global_scale = solution.grid.global_scale,
                                    .scheme = scheme},
                      .report = solution.report};
  if (solution.grid.zero_point.defined())
    member.quantized.zero_point = solution.grid.zero_point.narrow(0, first_row, rows);
  member.dequantized = Dequantize(member.quantized);
  const at::Tensor weight = solution.weight.narrow(0, first_row, rows);
  // Without statistics all inputs count the same.
  const at::Tensor hessian = solution.hessian.defined() ? solution.hessian : at::eye(weight.size(1), weight.options());
  const ProxyLoss loss = MeasureProxyLoss(weight, member.dequantized, hessian);
  member.report.loss = loss.loss;
  member.report.energy = loss.energy;
  return member;
}

}  // namespace

absl::StatusOr<std::vector<SolvedLinear>> SolveGroup(absl::Span<const at::Tensor> weights,
                                                     const InputStatistics* statistics, const WeightScheme& scheme,
                                                     const QuantizeOptions& options) {
  return CallTorch("quantizing a group of layers", [&]() -> absl::StatusOr<std::vector<SolvedLinear>> {
    const at::Tensor stacked = at::cat(at::TensorList(weights.data(), weights.size())).to(at::kFloat);
    const WeightScheme resolved = scheme.ForRow(stacked.size(1));
    PIVOT_ASSIGN_OR_RETURN(const StackedSolution solution,
                           statistics == nullptr ? SolveByRounding(stacked, resolved, options)
                                                 : SolveWithStatistics(stacked, *statistics, resolved, options));
    std::vector<SolvedLinear> members;
    int64_t first_row = 0;
    for (const at::Tensor& weight : weights) {
      members.push_back(MemberOf(solution, first_row, weight.size(0), resolved));
      first_row += weight.size(0);
    }
    return members;
  });
}

}  // namespace pivot
