// SPDX-License-Identifier: Apache-2.0
#include "engine/allocate/measured_plan.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/allocate/sensitivity.h"
#include "engine/plan/allocation.h"
#include "engine/plan/measure_work.h"
#include "engine/plan/output_bytes.h"
#include "engine/plan/work.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr char kStage[] = "measure";
constexpr int kReportSchema = 1;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Planner {
 public:
  Planner(const WeightReader& source, const CompressSpec& spec, const JobHooks& hooks)
      : reader_(source),
        source_(source.folder().model),
        spec_(spec),
        hooks_(hooks),
        units_(PlanUnits(source_, spec)),
        choices_(UnitChoices(source_, spec)) {}

  absl::StatusOr<MeasuredPlan> Run(const at::Tensor& windows, const json& known) {
    const auto start = Clock::now();
    if (!TakeOver(known)) PIVOT_RETURN_IF_ERROR(Measure(windows));
    PIVOT_ASSIGN_OR_RETURN(const int64_t max_bytes, BudgetBytes(source_, spec_));
    PIVOT_ASSIGN_OR_RETURN(Allocation allocation, Allocate(source_, spec_, units_, choices_, max_bytes));
    MeasuredPlan plan{.schemes = std::move(allocation.schemes), .cost = allocation.cost};
    report_["gap"] = allocation.gap;
    report_["max_bytes"] = max_bytes;
    PIVOT_RETURN_IF_ERROR(AddCurve(max_bytes, allocation, plan));
    const DeviceKind kind = reader_.device().is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu;
    if (hooks_.stage_done)
      hooks_.stage_done(kStage, SecondsSince(start), MeasureWorkOf(reader_.config(), spec_, kind).flops);
    plan.report = std::move(report_);
    return plan;
  }

 private:
  absl::Status Measure(const at::Tensor& windows) {
    const int64_t length = windows.size(1);
    const DeviceKind kind = reader_.device().is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu;
    const int64_t count = std::min(MeasuredWindows(spec_, kind), windows.size(0));
    if (hooks_.stage_started) hooks_.stage_started(kStage, static_cast<int>(reader_.config().num_blocks));
    const auto start = Clock::now();
    SensitivityInput input{.source = &reader_,
                           .spec = &spec_,
                           .units = &units_,
                           .windows = windows.narrow(0, 0, count),
                           .tile_windows = std::max<int64_t>(1, TileWindows(kind, length) / 4),
                           .max_probes = MaxProbes(kind),
                           .probe_windows = ProbeWindows(spec_),
                           .is_cancelled = hooks_.is_cancelled,
                           .progress = [&](int done, int total) {
                             if (hooks_.progress)
                               hooks_.progress({.stage = kStage,
                                                .done = done,
                                                .total = total,
                                                .detail = absl::StrCat("sensitivities of block ", done - 1),
                                                .elapsed_seconds = SecondsSince(start)});
                           }};
    PIVOT_ASSIGN_OR_RETURN(const Sensitivity sensitivity, MeasureSensitivity(input, choices_));
    report_ = {{"schema", kReportSchema},
               {"tokens", count * length},
               {"rank_correlation", sensitivity.rank_correlation},
               {"units", json::array()},
               {"probes", json::array()}};
    for (const Probe& probe : sensitivity.probes) {
      report_["probes"].push_back({{"name", units_[static_cast<size_t>(probe.unit)].name},
                                   {"bits", probe.bits},
                                   {"estimated", probe.estimated},
                                   {"measured", probe.measured}});
    }
    for (size_t i = 0; i < units_.size(); ++i)
      report_["units"].push_back({{"name", units_[i].name}, {"costs", CostsOf(i)}});
    if (!sensitivity.defect.empty()) {
      report_["defect"] = sensitivity.defect;
      if (hooks_.warning)
        hooks_.warning("CURVATURE_UNUSABLE", absl::StrCat("the curvature of ", sensitivity.defect,
                                                          " is 0 or not finite: the plan is made from ",
                                                          "the KL divergence of each group of layers quantized alone"));
    }
    return absl::OkStatus();
  }

  json CostsOf(size_t unit) const {
    json costs = json::object();
    for (const UnitChoice& choice : choices_[unit]) costs[ChoiceName(units_[unit], choice, spec_.scheme)] = choice.cost;
    return costs;
  }

  bool TakeOver(const json& known) {
    const auto units = known.find("units");
    if (!known.is_object() || units == known.end() || units->size() != units_.size()) return false;
    for (size_t i = 0; i < units_.size(); ++i) {
      const json& unit = (*units)[i];
      if (unit.value("name", "") != units_[i].name || !unit.contains("costs")) return false;
      for (UnitChoice& choice : choices_[i]) {
        const auto cost = unit["costs"].find(ChoiceName(units_[i], choice, spec_.scheme));
        if (cost == unit["costs"].end() || !cost->is_number()) return false;
        choice.cost = cost->get<double>();
      }
    }
    report_ = known;
    return true;
  }

  /// Sum over the units; nothing where one cannot have the scheme.
  std::optional<double> CostOfUniform(const WeightScheme& scheme) const {
    double cost = 0;
    for (size_t i = 0; i < units_.size(); ++i) {
      const auto choice = std::find_if(choices_[i].begin(), choices_[i].end(),
                                       [&](const UnitChoice& c) { return IsUniformChoice(units_[i], c, scheme); });
      if (choice == choices_[i].end()) return std::nullopt;
      cost += choice->cost;
    }
    return cost;
  }

  /// Estimates of uniform models and of plans as large as they are.
  absl::Status AddCurve(int64_t max_bytes, const Allocation& chosen, MeasuredPlan& plan) {
    report_["total_bytes"] = chosen.total_bytes;
    report_["estimated_kl"] = chosen.cost;
    report_["curve"] = json::array();
    for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
      WeightScheme scheme = spec_.scheme;
      scheme.bits = bits;
      const std::optional<double> cost = CostOfUniform(scheme);
      if (!cost.has_value()) continue;
      PIVOT_ASSIGN_OR_RETURN(const int64_t bytes,
                             OutputBytes(source_, ModelSchemes::Uniform(reader_.config(), scheme), spec_));
      report_["curve"].push_back({{"bits", bits}, {"bytes", bytes}, {"estimated_kl", *cost}, {"kind", "uniform"}});
      if (bytes <= max_bytes) {
        plan.uniform = scheme;
        plan.uniform_cost = *cost;
      }
      const auto same_size = Allocate(source_, spec_, units_, choices_, bytes);
      if (same_size.ok())
        report_["curve"].push_back(
            {{"bits", bits}, {"bytes", same_size->total_bytes}, {"estimated_kl", same_size->cost}, {"kind", "plan"}});
    }
    return absl::OkStatus();
  }

  const WeightReader& reader_;
  const ModelFolder& source_;
  const CompressSpec& spec_;
  const JobHooks& hooks_;
  std::vector<PlanUnit> units_;
  std::vector<std::vector<UnitChoice>> choices_;
  json report_;
};

}  // namespace

absl::StatusOr<MeasuredPlan> MeasurePlan(const WeightReader& source, const CompressSpec& spec,
                                         const at::Tensor& windows, const json& known, const JobHooks& hooks) {
  return Planner(source, spec, hooks).Run(windows, known);
}

}  // namespace pivot
