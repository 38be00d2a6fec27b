// SPDX-License-Identifier: Apache-2.0
#include "engine/allocate/sensitivity.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"

#include "engine/allocate/probe_runs.h"
#include "engine/allocate/rank_correlation.h"
#include "engine/calibration/block_pass.h"
#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/ends.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/device.h"
#include "engine/ops/row_forms.h"
#include "engine/plan/measure_work.h"
#include "engine/quantize/solve_group.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr double kErrorPerBit = 4;
// What a probe may change an estimate by: behind that it is the probe that is not to be believed.
constexpr double kMaxCorrection = 4;
// The cost of ends whose values 8-bit floats have no room for: more than any other choice.
constexpr double kNoRoom = 1e9;

class Measurement {
 public:
  Measurement(const SensitivityInput& input, std::vector<std::vector<UnitChoice>>& choices)
      : input_(input),
        reader_(*input.source),
        config_(reader_.config()),
        units_(*input.units),
        choices_(choices),
        rotary_(MakeRotaryTable(config_, input.windows.size(1), reader_.dtype(), reader_.device())),
        options_(input.spec->quantize) {
    options_.qep_alpha = 0;
    options_.qep_residual = 0;
    options_.refine_sweeps = 0;
    options_.scale_signs = ScaleSigns::kPositive;
    pass_.tile_windows = input.tile_windows;
    pass_.gathers_residual = false;
    pass_.is_cancelled = input.is_cancelled;
  }

  absl::StatusOr<Sensitivity> Run() {
    PIVOT_ASSIGN_OR_RETURN(curvature_,
                           MeasureCurvature(reader_, input_.windows, input_.tile_windows, input_.is_cancelled));
    result_.defect = curvature_.defect;
    ChooseProbes();
    ProbeRuns runs(reader_, rotary_, curvature_.streams, std::min(input_.probe_windows, input_.windows.size(0)));
    PIVOT_RETURN_IF_ERROR(StartEmbeddingRun(runs));
    const int blocks = static_cast<int>(config_.num_blocks);
    for (int block = 0; block < blocks; ++block) {
      PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, reader_.ReadBlock(block));
      runs.Advance(original);
      PIVOT_RETURN_IF_ERROR(MeasureBlock(block, original, runs));
      curvature_.streams[static_cast<size_t>(block)].reset();
      curvature_.blocks[static_cast<size_t>(block)].clear();
      if (input_.progress) input_.progress(block + 1, blocks);
    }
    StartHeadRun(runs);
    PIVOT_ASSIGN_OR_RETURN(const std::vector<double> measured, runs.Finish());
    FillCostsOfEnds(measured);
    for (size_t i = 0; i < result_.probes.size(); ++i) result_.probes[i].measured = measured[order_[i]];
    ExtendToWiderCodes();
    std::vector<double> estimates;
    std::vector<double> measurements;
    for (Probe& probe : result_.probes) {
      probe.estimated = CostOf(probe);
      estimates.push_back(probe.estimated);
      measurements.push_back(probe.measured);
    }
    result_.rank_correlation = RankCorrelation(estimates, measurements);
    ScaleToProbes();
    return std::move(result_);
  }

 private:
  /// Whether GPTQ is run for the choice.
  bool IsSolved(size_t unit, const UnitChoice& choice) const {
    return choice.scheme.has_value() && IsSolvedWidth(choice.scheme->bits, Narrowest(unit));
  }

  /// Probes have the groups that a uniform model has.
  bool IsProbed(const UnitChoice& choice) const {
    return choice.scheme.has_value() && choice.scheme->group_size == input_.spec->scheme.group_size;
  }

  int Narrowest(size_t unit) const {
    int bits = std::numeric_limits<int>::max();
    for (const UnitChoice& choice : choices_[unit])
      if (choice.scheme.has_value()) bits = std::min(bits, choice.scheme->bits);
    return bits;
  }

  /// Units that one group's solution changes alone, at their narrowest: spread over the blocks, or all of them when
  /// there is no curvature to estimate the others by.
  void ChooseProbes() {
    std::vector<int> candidates;
    for (size_t i = 0; i < units_.size(); ++i) {
      if (units_[i].is_ends()) continue;
      const bool is_experts = units_[i].roles.front() >= LinearRole::kExpertGate;
      const bool is_offered = absl::c_any_of(choices_[i], [](const UnitChoice& c) { return c.scheme.has_value(); });
      if (!is_experts && is_offered) candidates.push_back(static_cast<int>(i));
    }
    size_t count = candidates.size();
    if (result_.defect.empty()) count = std::min(count, static_cast<size_t>(std::max(input_.max_probes, 0)));
    for (size_t i = 0; i < count; ++i) {
      const int unit = candidates[i * candidates.size() / count];
      result_.probes.push_back({.unit = unit, .bits = Narrowest(static_cast<size_t>(unit))});
    }
    order_.resize(result_.probes.size());
  }

  absl::Status MeasureBlock(int block, const BlockWeights& original, ProbeRuns& runs) {
    Streams streams;
    streams.quantized = WindowTensor(curvature_.streams[static_cast<size_t>(block)].to(reader_.device()));
    pass_.prefix = BlockPrefix(*config_.architecture, block);
    const auto solver = [&](const SolverGroup& group, const InputMoments& moments, BlockWeights& /*quantized*/) {
      for (size_t unit = 0; unit < units_.size(); ++unit) {
        if (units_[unit].block != block) continue;
        PIVOT_RETURN_IF_ERROR(MeasureUnit(unit, group, moments, original, runs));
      }
      return absl::OkStatus();
    };
    return CalibrateBlock(config_, original, rotary_, pass_, solver, streams);
  }

  /// Adds what the unit's layers of one group cost to the costs of its choices.
  absl::Status MeasureUnit(size_t unit, const SolverGroup& group, const InputMoments& moments,
                           const BlockWeights& original, ProbeRuns& runs) {
    std::vector<LinearRole> members;
    std::vector<at::Tensor> weights;
    for (const LinearRole role : group.members) {
      if (!absl::c_linear_search(units_[unit].roles, role)) continue;
      members.push_back(role);
      weights.push_back(original.linear(role, group.expert).weight);
    }
    if (members.empty()) return absl::OkStatus();
    for (UnitChoice& choice : choices_[unit]) {
      if (!IsSolved(unit, choice)) continue;
      InputMoments hessian{.hessian = moments.hessian, .num_tokens = moments.num_tokens};
      PIVOT_ASSIGN_OR_RETURN(const std::vector<SolvedLinear> solved,
                             SolveGroup(weights, std::move(hessian), *choice.scheme, options_));
      for (size_t i = 0; i < members.size(); ++i)
        choice.cost += CostOf(units_[unit].block, members[i], group.expert, weights[i], solved[i], moments);
      if (IsProbed(choice)) StartProbes(unit, choice.scheme->bits, members, original, solved, runs);
    }
    return absl::OkStatus();
  }

  double CostOf(int block, LinearRole role, int expert, const at::Tensor& weight, const SolvedLinear& solved,
                const InputMoments& moments) const {
    if (!moments.hessian.defined()) return 0;
    const at::Tensor error = weight.to(at::kFloat) - solved.dequantized;
    // The Hessian is twice the mean of x xᵀ.
    const at::Tensor losses = SymmetricForms(error, moments.hessian, FormDigits::kFast) / 2;
    if (!result_.defect.empty()) return losses.sum().item<double>();
    const at::Tensor& curvature = curvature_.blocks[static_cast<size_t>(block)].at({role, expert});
    return curvature.defined() ? 0.5 * (losses * curvature.to(at::kDouble)).sum().item<double>() : 0;
  }

  void StartProbes(size_t unit, int bits, const std::vector<LinearRole>& members, const BlockWeights& original,
                   const std::vector<SolvedLinear>& solved, ProbeRuns& runs) {
    for (size_t i = 0; i < result_.probes.size(); ++i) {
      if (result_.probes[i].unit != static_cast<int>(unit) || result_.probes[i].bits != bits) continue;
      BlockWeights changed = original;
      for (size_t j = 0; j < members.size(); ++j)
        changed.linear(members[j]).weight = solved[j].dequantized.to(reader_.dtype());
      order_[i] = runs.Start(units_[unit].block, changed);
    }
  }

  double CostOf(const Probe& probe) const {
    for (const UnitChoice& choice : choices_[static_cast<size_t>(probe.unit)])
      if (IsProbed(choice) && choice.scheme->bits == probe.bits) return choice.cost;
    return 0;
  }

  /// The widest codes in such groups that are solved.
  const UnitChoice* WidestSolved(size_t unit, int64_t group_size) const {
    const UnitChoice* widest = nullptr;
    for (const UnitChoice& choice : choices_[unit]) {
      if (!IsSolved(unit, choice) || choice.scheme->group_size != group_size) continue;
      if (widest == nullptr || choice.scheme->bits > widest->scheme->bits) widest = &choice;
    }
    return widest;
  }

  void ExtendToWiderCodes() {
    for (size_t i = 0; i < units_.size(); ++i) {
      for (UnitChoice& choice : choices_[i]) {
        if (!choice.scheme.has_value() || IsSolved(i, choice)) continue;
        const UnitChoice* widest = WidestSolved(i, choice.scheme->group_size);
        choice.cost = widest->cost * std::pow(kErrorPerBit, widest->scheme->bits - choice.scheme->bits);
      }
    }
  }

  bool has_ends() const { return units_.back().is_ends(); }

  /// A run of the model with a narrow embedding, which is the head too where they are tied.
  absl::Status StartEmbeddingRun(ProbeRuns& runs) {
    if (!has_ends()) return absl::OkStatus();
    PIVOT_ASSIGN_OR_RETURN(EmbeddingWeights embedding, reader_.ReadEmbedding());
    PIVOT_ASSIGN_OR_RETURN(const HeadWeights head, reader_.ReadHead());
    embedding_fits_ = FitsFloat8(embedding.tokens);
    head_fits_ = FitsFloat8(head.head.weight);
    if (!embedding_fits_) return absl::OkStatus();
    embedding.tokens = RoundToFloat8(embedding.tokens);
    const int64_t windows = std::min(input_.probe_windows, input_.windows.size(0));
    const at::Tensor ids = input_.windows.narrow(0, 0, windows).to(reader_.device());
    embedding_run_ = runs.StartWith(EmbedTokens(config_, embedding, ids, 0), config_.tied_embeddings);
    return absl::OkStatus();
  }

  void StartHeadRun(ProbeRuns& runs) {
    if (!has_ends() || config_.tied_embeddings || !head_fits_) return;
    const int64_t windows = std::min(input_.probe_windows, input_.windows.size(0));
    head_run_ = runs.StartWith(curvature_.streams.back().narrow(0, 0, windows).to(reader_.device()), true);
  }

  /// Their true costs, one beside the other.
  void FillCostsOfEnds(const std::vector<double>& measured) {
    if (!has_ends()) return;
    const auto cost_of = [&](const std::optional<size_t>& run) { return run.has_value() ? measured[*run] : kNoRoom; };
    for (UnitChoice& choice : choices_.back())
      choice.cost = (choice.ends.embedding ? cost_of(embedding_run_) : 0) + (choice.ends.head ? cost_of(head_run_) : 0);
  }

  /// A unit's costs are multiplied by what its probe, or else the probes of its kind of layer, found beside the
  /// estimate. Without curvature costs are output errors, which only its own probe makes comparable.
  void ScaleToProbes() {
    std::map<LinearRole, std::vector<double>> by_role;
    std::map<int, double> own;
    for (const Probe& probe : result_.probes) {
      if (!(probe.estimated > 0 && probe.measured > 0)) continue;
      double factor = probe.measured / probe.estimated;
      if (result_.defect.empty()) factor = std::clamp(factor, 1 / kMaxCorrection, kMaxCorrection);
      own[probe.unit] = factor;
      by_role[units_[static_cast<size_t>(probe.unit)].roles.front()].push_back(std::log(factor));
    }
    for (size_t i = 0; i < units_.size(); ++i) {
      if (units_[i].is_ends()) continue;
      const auto found = own.find(static_cast<int>(i));
      const std::vector<double>& logs = by_role[units_[i].roles.front()];
      double factor = 1;
      if (found != own.end()) {
        factor = found->second;
      } else if (!logs.empty()) {
        factor = std::exp(absl::c_accumulate(logs, 0.0) / static_cast<double>(logs.size()));
      }
      for (UnitChoice& choice : choices_[i]) choice.cost *= factor;
    }
  }

  const SensitivityInput& input_;
  const WeightReader& reader_;
  const ModelConfig& config_;
  const std::vector<PlanUnit>& units_;
  std::vector<std::vector<UnitChoice>>& choices_;
  RotaryTable rotary_;
  QuantizeOptions options_;
  BlockPassOptions pass_;
  Curvature curvature_;
  std::vector<size_t> order_;  // of each probe, its number among the runs
  bool embedding_fits_ = false;
  bool head_fits_ = false;
  std::optional<size_t> embedding_run_;
  std::optional<size_t> head_run_;
  Sensitivity result_;
};

}  // namespace

absl::StatusOr<Sensitivity> MeasureSensitivity(const SensitivityInput& input,
                                               std::vector<std::vector<UnitChoice>>& choices) {
  auto result = CallTorch("measuring sensitivities", [&] { return Measurement(input, choices).Run(); });
  ReturnFreeMemory();  // what comes next needs other sizes
  return result;
}

}  // namespace pivot
