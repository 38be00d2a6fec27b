// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/solve_group.h"

#include <ATen/ATen.h>
#include <utility>

#include "absl/algorithm/container.h"

#include "engine/ops/call_torch.h"
#include "engine/ops/kernel_calls.h"
#include "engine/ops/part_seconds.h"
#include "engine/ops/row_forms.h"
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
  LinearReport report;
};

Digits DigitsOf(absl::Span<const at::Tensor> weights) {
  const bool are_short = absl::c_all_of(weights, [](const at::Tensor& weight) {
    return weight.scalar_type() == at::kBFloat16 || weight.scalar_type() == at::kHalf;
  });
  return are_short ? Digits::kShort : Digits::kAny;
}

/// What the output error of each row is made of before anything is quantized. With d = x - x̂ and E = W - Q,
/// W x - Q x̂ = W d + E x̂, and W x = W d + W x̂.
struct OutputTerms {
  at::Tensor moved;    // W C, [out, in] fp32
  at::Tensor drift;    // ||W d||^2, [out] f64
  at::Tensor outputs;  // ||W x||^2, [out] f64
  at::Tensor energy;   // ||W x̂||^2, [out] f64
};

absl::StatusOr<QuantizationGrid> GridOf(const at::Tensor& weight, const at::Tensor& importance,
                                        const WeightScheme& scheme, const QuantizeOptions& options) {
  const Part part("search");
  if (!scheme.is_integer()) return SearchFloatGrid(weight, importance, scheme, options.clip_search);
  PIVOT_ASSIGN_OR_RETURN(
      QuantizationGrid grid,
      SearchGrid(weight, importance, scheme, {.clip = options.clip_search, .signs = options.scale_signs}));
  if (options.short_scales) grid.scale = StorableScales(grid.scale, options.scale_digits());
  return grid;
}

/// Takes from the moments what is needed of C and D, and lets go of both.
OutputTerms TermsOf(const at::Tensor& weight, Digits digits, InputMoments& moments) {
  const Part part("report");
  OutputTerms terms{.moved = ExactProduct(weight, digits, moments.cross),
                    .drift = moments.drift.defined() ? moments.drift.to(at::kDouble)
                                                     : SymmetricForms(weight, moments.difference, FormDigits::kFast)};
  moments.cross.reset();
  moments.difference.reset();
  terms.energy = SymmetricForms(weight, moments.hessian, FormDigits::kFast);
  terms.outputs = terms.drift + 2 * RowProducts(terms.moved, weight) + terms.energy;
  return terms;
}

/// The weight to quantize: corrected where errors are propagated.
absl::Status Correct(const InputMoments& moments, const OutputTerms& terms, const QuantizeOptions& options,
                     StackedSolution& solution) {
  const Part part("propagation");
  const at::Tensor residual = options.qep_residual > 0 ? moments.residual : at::Tensor();
  PIVOT_ASSIGN_OR_RETURN(
      CorrectedWeight corrected,
      PropagateError(solution.weight, moments.hessian, terms.moved, residual,
                     {.alpha = options.qep_alpha, .residual = options.qep_residual, .percdamp = options.qep_percdamp}));
  solution.weight = corrected.weight;
  solution.report.correction = corrected.relative_change;
  return absl::OkStatus();
}

/// Better codes and scales for a solution of GPTQ. `hessian` as it was quantized with.
absl::Status Refine(const at::Tensor& hessian, const HessianFactor& factor, const WeightScheme& scheme,
                    const QuantizeOptions& options, StackedSolution& solution) {
  if (options.refine_sweeps == 0 || !scheme.is_integer()) return absl::OkStatus();
  const Part part("refinement");
  at::Tensor damped = hessian.clone();
  damped.diagonal().masked_fill_(factor.dead, 1.0).add_(factor.percdamp * hessian.diagonal().mean());
  PIVOT_ASSIGN_OR_RETURN(
      RefinedCodes refined,
      RefineCodes(solution.weight.masked_fill(factor.dead, 0.0), solution.codes, solution.grid, damped, scheme,
                  {.sweeps = options.refine_sweeps, .scale_digits = options.scale_digits()}));
  solution.codes = std::move(refined.codes);
  solution.grid = std::move(refined.grid);
  return absl::OkStatus();
}

/// GPTQ and what follows it, for a weight that is corrected already.
absl::Status QuantizeCorrected(const at::Tensor& hessian, const WeightScheme& scheme, const QuantizeOptions& options,
                               StackedSolution& solution) {
  PIVOT_ASSIGN_OR_RETURN(const HessianFactor factor, FactorizeHessian(hessian, options.percdamp, options.act_order));
  solution.report.percdamp = factor.percdamp;
  solution.report.dead_columns = factor.dead_columns;
  PIVOT_ASSIGN_OR_RETURN(solution.grid, GridOf(solution.weight, ConditionalImportance(factor), scheme, options));
  PIVOT_ASSIGN_OR_RETURN(solution.codes, QuantizeGptq(solution.weight, solution.grid, factor, scheme));
  return Refine(hessian, factor, scheme, options, solution);
}

absl::Status SolveByRounding(const WeightScheme& scheme, const QuantizeOptions& options, StackedSolution& solution) {
  const at::Tensor importance = at::ones({solution.weight.size(1)}, solution.weight.options());
  PIVOT_ASSIGN_OR_RETURN(solution.grid, GridOf(solution.weight, importance, scheme, options));
  PIVOT_ASSIGN_OR_RETURN(solution.codes, QuantizeRtn(solution.weight, solution.grid, scheme));
  return absl::OkStatus();
}

QuantizedLinear RowsOf(const StackedSolution& solution, int64_t first_row, int64_t rows, const WeightScheme& scheme) {
  QuantizedLinear linear{.codes = solution.codes.narrow(0, first_row, rows),
                         .scale = solution.grid.scale.narrow(0, first_row, rows),
                         .global_scale = solution.grid.global_scale,
                         .scheme = scheme};
  if (solution.grid.zero_point.defined()) linear.zero_point = solution.grid.zero_point.narrow(0, first_row, rows);
  return linear;
}

/// What the reports say, a number for each row: [out] f64 each.
struct RowLosses {
  at::Tensor loss;
  at::Tensor energy;
  at::Tensor output_error;  // undefined with one stream
  at::Tensor outputs;
};

/// Without a Hessian all inputs count the same.
at::Tensor FormsOf(const at::Tensor& rows, const at::Tensor& hessian) {
  return hessian.defined() ? SymmetricForms(rows, hessian, FormDigits::kFast) : RowProducts(rows, rows);
}

RowLosses MeasureLosses(const at::Tensor& original, const at::Tensor& quantized, const StackedSolution& solution,
                        const at::Tensor& hessian, const OutputTerms& terms) {
  const Part part("report");
  RowLosses losses{.loss = FormsOf(solution.weight - quantized, hessian),
                   .energy = terms.energy.defined() ? terms.energy : FormsOf(original, hessian)};
  if (!terms.moved.defined()) return losses;
  const at::Tensor error = original - quantized;
  losses.output_error = terms.drift + 2 * RowProducts(terms.moved, error) + FormsOf(error, hessian);
  losses.outputs = terms.outputs;
  return losses;
}

LinearReport ReportOf(const RowLosses& losses, int64_t first_row, int64_t rows, LinearReport report) {
  const auto sum = [&](const at::Tensor& values) { return values.narrow(0, first_row, rows).sum().item<double>(); };
  report.loss = sum(losses.loss);
  report.energy = sum(losses.energy);
  if (!losses.outputs.defined()) return report;
  const double outputs = sum(losses.outputs);
  report.output_error = outputs > 0 ? sum(losses.output_error) / outputs : 0;
  return report;
}

}  // namespace

absl::StatusOr<std::vector<SolvedLinear>> SolveGroup(absl::Span<const at::Tensor> weights, InputMoments moments,
                                                     const WeightScheme& scheme, const QuantizeOptions& options) {
  return CallTorch("quantizing a group of layers", [&]() -> absl::StatusOr<std::vector<SolvedLinear>> {
    const at::Tensor stacked = at::cat(at::TensorList(weights.data(), weights.size())).to(at::kFloat);
    const WeightScheme resolved = scheme.ForRow(stacked.size(1));
    StackedSolution solution{.weight = stacked};
    OutputTerms terms;
    if (!moments.hessian.defined()) {
      PIVOT_RETURN_IF_ERROR(SolveByRounding(resolved, options, solution));
    } else {
      if (moments.cross.defined()) terms = TermsOf(stacked, DigitsOf(weights), moments);
      if (terms.moved.defined() && options.propagates())
        PIVOT_RETURN_IF_ERROR(Correct(moments, terms, options, solution));
      moments.residual.reset();
      const at::Tensor hessian =
          options.regularization > 0 ? RegularizeHessian(moments.hessian, options.regularization) : moments.hessian;
      PIVOT_RETURN_IF_ERROR(QuantizeCorrected(hessian, resolved, options, solution));
    }
    const at::Tensor dequantized = Dequantize(RowsOf(solution, 0, stacked.size(0), resolved));
    const RowLosses losses = MeasureLosses(stacked, dequantized, solution, moments.hessian, terms);
    std::vector<SolvedLinear> members;
    int64_t first_row = 0;
    for (const at::Tensor& weight : weights) {
      const int64_t rows = weight.size(0);
      members.push_back({.quantized = RowsOf(solution, first_row, rows, resolved),
                         .dequantized = dequantized.narrow(0, first_row, rows),
                         .report = ReportOf(losses, first_row, rows, solution.report)});
      first_row += rows;
    }
    return members;
  });
}

}  // namespace pivot
