// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/solve_group.h"

#include <ATen/ATen.h>
#include <utility>

#include "engine/ops/call_torch.h"
#include "engine/ops/kernel_calls.h"
#include "engine/quantize/float_grid.h"
#include "engine/quantize/gptq.h"
#include "engine/quantize/qep.h"
#include "engine/quantize/refine.h"
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

constexpr int kBf16Digits = 8;

int ScaleDigits(const QuantizeOptions& options) { return options.short_scales ? kBf16Digits - 1 : kBf16Digits; }

absl::StatusOr<QuantizationGrid> GridOf(const at::Tensor& weight, const at::Tensor& importance,
                                        const WeightScheme& scheme, const QuantizeOptions& options) {
  if (!scheme.is_integer()) return SearchFloatGrid(weight, importance, scheme, options.clip_search);
  PIVOT_ASSIGN_OR_RETURN(
      QuantizationGrid grid,
      SearchGrid(weight, importance, scheme, {.clip = options.clip_search, .signs = options.scale_signs}));
  if (options.short_scales) grid.scale = StorableScales(grid.scale, ScaleDigits(options));
  return grid;
}

/// What an error in each column counts in the search of scales.
at::Tensor ImportanceFor(ClipSearch search, const at::Tensor& hessian, const HessianFactor& factor) {
  if (search == ClipSearch::kConditional) return ConditionalImportance(factor);
  const at::Tensor diagonal = hessian.diagonal().contiguous();
  return search == ClipSearch::kHessianDiagonal ? diagonal : at::ones_like(diagonal);
}

/// The weight to quantize: corrected where errors are propagated.
absl::Status Correct(const InputStatistics& statistics, const QuantizeOptions& options, StackedSolution& solution) {
  if (!statistics.has_cross() || !options.propagates()) return absl::OkStatus();
  const at::Tensor residual =
      statistics.has_residual() && options.qep_residual > 0 ? statistics.Residual() : at::Tensor();
  PIVOT_ASSIGN_OR_RETURN(
      CorrectedWeight corrected,
      PropagateError(solution.weight, solution.hessian, statistics.Cross(), residual,
                     {.alpha = options.qep_alpha, .residual = options.qep_residual, .percdamp = options.qep_percdamp}));
  solution.weight = corrected.weight;
  solution.report.correction = corrected.relative_change;
  return absl::OkStatus();
}

/// Better codes and scales for a solution of GPTQ. `hessian` as it was quantized with.
absl::Status Refine(const at::Tensor& hessian, const HessianFactor& factor, const WeightScheme& scheme,
                    const QuantizeOptions& options, StackedSolution& solution) {
  if (options.refine_sweeps == 0 || !scheme.is_integer()) return absl::OkStatus();
  at::Tensor damped = hessian.clone();
  damped.diagonal().masked_fill_(factor.dead, 1.0).add_(factor.percdamp * hessian.diagonal().mean());
  PIVOT_ASSIGN_OR_RETURN(
      RefinedCodes refined,
      RefineCodes(solution.weight.masked_fill(factor.dead, 0.0), solution.codes, solution.grid, damped, scheme,
                  {.sweeps = options.refine_sweeps, .scale_digits = ScaleDigits(options)}));
  solution.codes = std::move(refined.codes);
  solution.grid = std::move(refined.grid);
  return absl::OkStatus();
}

absl::StatusOr<StackedSolution> SolveWithStatistics(const at::Tensor& weight, const InputStatistics& statistics,
                                                    const WeightScheme& scheme, const QuantizeOptions& options) {
  StackedSolution solution{.weight = weight, .hessian = statistics.Hessian()};
  PIVOT_RETURN_IF_ERROR(Correct(statistics, options, solution));
  const at::Tensor hessian =
      options.regularization > 0 ? RegularizeHessian(solution.hessian, options.regularization) : solution.hessian;
  PIVOT_ASSIGN_OR_RETURN(const HessianFactor factor, FactorizeHessian(hessian, options.percdamp, options.act_order));
  solution.report.percdamp = factor.percdamp;
  solution.report.dead_columns = factor.dead_columns;
  const at::Tensor importance = ImportanceFor(options.clip_search, hessian, factor);
  PIVOT_ASSIGN_OR_RETURN(solution.grid, GridOf(solution.weight, importance, scheme, options));
  PIVOT_ASSIGN_OR_RETURN(solution.codes, QuantizeGptq(solution.weight, solution.grid, factor, scheme));
  PIVOT_RETURN_IF_ERROR(Refine(hessian, factor, scheme, options, solution));
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

/// ||W Xᵀ - Q X̂ᵀ||^2 / ||W Xᵀ||^2 from second moments; 0 when the denominator is 0.
double OutputError(const at::Tensor& original, const at::Tensor& quantized, const at::Tensor& hessian,
                   const at::Tensor& cross, const at::Tensor& difference) {
  const auto form = [](const at::Tensor& left, const at::Tensor& moment, const at::Tensor& right) {
    return (at::mm(left, moment) * right).sum(at::kDouble).item<double>();
  };
  // With d = x - x̂ and E = W - Q: W x - Q x̂ = W d + E x̂, and W x = W d + W x̂.
  const at::Tensor error = original - quantized;
  const double moved = form(original, difference, original);
  const double energy = moved + 2 * form(original, cross, original) + form(original, hessian, original);
  return energy > 0 ? (moved + 2 * form(original, cross, error) + form(error, hessian, error)) / energy : 0;
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
    if (statistics == nullptr || !statistics->has_cross()) return members;
    const at::Tensor cross = statistics->Cross();
    const at::Tensor difference = statistics->Difference();
    for (size_t i = 0; i < members.size(); ++i) {
      members[i].report.output_error =
          OutputError(weights[i].to(at::kFloat), members[i].dequantized, solution.hessian, cross, difference);
    }
    return members;
  });
}

}  // namespace pivot
