// SPDX-License-Identifier: Apache-2.0
#include "engine/report.h"

#include <optional>
#include <torch/headeronly/version.h>

#include "engine/format/output_format.h"
#include "engine/plan/time_estimate.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

constexpr int kReportSchema = 1;

ordered_json TextJson(const TokenizedText& text) {
  return {{"name", text.name}, {"sha256", text.sha256}, {"tokens", text.tokens.size()}};
}

ordered_json QualityEntry(const Quality& quality, int64_t bytes, double bits_per_weight) {
  ordered_json entry = QualityToJson(quality);
  entry["bytes"] = bytes;
  entry["bits_per_weight"] = bits_per_weight;
  return entry;
}

ordered_json PivotJson(const PivotReport& report, size_t number, const Plan& plan, const CompressSpec& spec) {
  ordered_json pivot{{"number", number},
                     {"stage", report.stage},
                     {"bytes", plan.total_bytes},
                     {"bits_per_weight", plan.bits_per_weight},
                     {"after_seconds", report.seconds}};
  // What bits and quality are of.
  const std::string folder = SubfolderOf(spec.layout, spec.layouts());
  if (!folder.empty()) pivot["folder"] = folder;
  if (report.comparison.has_value())
    pivot.update(QualityEntry(report.comparison->model, plan.total_bytes, plan.bits_per_weight));
  return pivot;
}

ordered_json QualitiesJson(const Report& report, const Plan& plan, const ModelFolder& source,
                           const CompressSpec& spec) {
  ordered_json pivots = ordered_json::array();
  for (const PivotReport& pivot : report.pivots) pivots.push_back(PivotJson(pivot, pivots.size(), plan, spec));
  if (report.pivots.empty() || !report.pivots.front().comparison.has_value()) return {{"pivots", std::move(pivots)}};
  const Quality& original = *report.pivots.front().comparison->reference;
  return {{"original", QualityEntry(original, source.weight_file_bytes(), 16.0)}, {"pivots", std::move(pivots)}};
}

/// The width that all layers have, or nothing.
std::optional<int> CommonBits(const Plan& plan) {
  std::optional<int> common;
  for (const ModulePlan& module : plan.modules) {
    if (!module.scheme.has_value() || common.value_or(module.scheme->bits) != module.scheme->bits) return std::nullopt;
    common = module.scheme->bits;
  }
  return common;
}

ordered_json NumericsJson(const Report& report, const CompressSpec& spec) {
  return {{"device", report.device.device.str()},
          {"device_name", report.device.name},
          {"threads", report.device.threads},
          {"dtype", std::string(ComputeDtypeName(spec.dtype))},
          {"torch", TORCH_VERSION},
          {"peak_host_bytes", report.memory.peak_host_bytes},
          {"peak_gpu_bytes", report.memory.peak_gpu_bytes}};
}

/// What the plan said beside what was.
ordered_json Estimated(double estimated, double measured) {
  return {{"estimated", estimated}, {"measured", measured}, {"ratio", estimated > 0 ? measured / estimated : 0}};
}

/// Of a GPU's memory what tensors take. Stages that a part of the work was left out of, since an earlier attempt had
/// done it, take less time.
ordered_json EstimatesJson(const Report& report, const Plan& plan, const ModelFolder& source,
                           const CompressSpec& spec) {
  Machine machine = ThisMachine(report.device.kind());
  if (machine.kind == DeviceKind::kCpu) machine.threads = report.device.threads;
  const TimeEstimate time = EstimateTime(source.config(), spec, plan.work, plan.measure, plan.refine, machine);
  ordered_json estimates{{"seconds", Estimated(time.total(), report.seconds)},
                         {"host_bytes", Estimated(static_cast<double>(plan.memory.host_bytes),
                                                  static_cast<double>(report.memory.peak_host_bytes))}};
  if (machine.kind == DeviceKind::kCuda) {
    estimates["gpu_tensor_bytes"] =
        Estimated(static_cast<double>(plan.memory.tensor_bytes), static_cast<double>(report.memory.peak_gpu_bytes));
  }
  for (const StageTime& stage : time.stages) {
    for (const StageReport& done : report.stages)
      if (done.name == stage.name) estimates["stages"][stage.name] = Estimated(stage.seconds, done.seconds);
  }
  return estimates;
}

}  // namespace

std::string ReportJson(const Report& report, const Plan& plan, const ModelFolder& source, const CompressSpec& spec) {
  ordered_json stages = ordered_json::array();
  for (const StageReport& stage : report.stages) {
    stages.push_back({{"name", stage.name}, {"seconds", stage.seconds}, {"flops", stage.flops}});
  }
  ordered_json document{
      {"schema", kReportSchema},
      {"job", report.job},
      {"source", {{"name", source.name()}, {"digest", SourceDigest(source)}, {"bytes", source.weight_file_bytes()}}},
      {"plan",
       {{"spec", ordered_json::parse(CanonicalSpec(spec))},
        {"group_size", spec.scheme.group_size},
        {"bits_per_weight", plan.bits_per_weight},
        {"model_bits_per_weight", plan.model_bits_per_weight},
        {"total_bytes", plan.total_bytes},
        {"estimated_host_bytes", plan.memory.host_bytes},
        {"estimated_gpu_bytes", plan.memory.gpu_bytes}}},
      {"quality", QualitiesJson(report, plan, source, spec)},
      {"calibration", CalibrationJson(report.calibration, spec.calibration)},
      {"evaluation", TextJson(report.evaluation)},
      {"numerics", NumericsJson(report, spec)},
      {"seconds", report.seconds},
      {"estimates", EstimatesJson(report, plan, source, spec)},
      {"stages", std::move(stages)},
      {"blocks", report.blocks}};
  // What layers differ in is in plan.json.
  const auto bits = CommonBits(plan);
  if (bits.has_value()) document["plan"]["bits"] = *bits;
  if (!report.allocation.is_null()) document["allocation"] = report.allocation;
  if (!report.refinement.is_null()) document["refinement"] = report.refinement;
  if (report.reload_kl.has_value()) document["reload_kl"] = *report.reload_kl;
  return document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace pivot
