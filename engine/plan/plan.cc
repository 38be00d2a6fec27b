// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/plan.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "engine/model/block_linears.h"
#include "engine/model/found_model.h"
#include "engine/plan/output_bytes.h"
#include "engine/plan/output_layout.h"
#include "engine/plan/planned_schemes.h"
#include "engine/plan/refine_work.h"
#include "engine/plan/time_estimate.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kPlanSchema = 1;
constexpr int kPlainBits = 16;

json StageJson(const StageTime& stage, const Plan& plan) {
  return {{"name", stage.name},
          {"est_seconds", stage.seconds},
          {"gpu_bytes", plan.memory.gpu_bytes},
          {"host_bytes", plan.memory.host_bytes}};
}

/// MemAvailable, or the control group's limit if that is less.
int64_t AvailableHostBytes() {
  int64_t available = std::numeric_limits<int64_t>::max();
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key, unit; meminfo >> key;) {
    int64_t kibibytes = 0;
    meminfo >> kibibytes >> unit;
    if (key == "MemAvailable:") available = kibibytes * 1024;
  }
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  if (int64_t bytes = 0; limit >> bytes) available = std::min(available, bytes);
  return available;
}

/// Of kept layers the width of what they are.
ordered_json ModulesJson(const Plan& plan, const CompressSpec& spec) {
  ordered_json modules = ordered_json::array();
  for (const ModulePlan& module : plan.modules) {
    ordered_json entry{{"name", module.name}, {"type", "kept"},   {"bits", kPlainBits},
                       {"group_size", 0},     {"method", "none"}, {"bytes", module.bytes}};
    if (module.is_narrow) {
      entry["type"] = kNarrowType;
      entry["bits"] = kNarrowBits;
    } else if (module.scheme.has_value()) {
      entry["type"] = std::string(CodeTypeName(module.scheme->type));
      entry["bits"] = module.scheme->bits;
      entry["group_size"] = module.scheme->group_size;
      entry["method"] = std::string(MethodName(spec.quantize.method));
    }
    modules.push_back(std::move(entry));
  }
  return modules;
}

/// The ends that are narrow.
std::vector<ModulePlan> NarrowModules(const ModelConfig& config, NarrowEnds ends) {
  const int64_t bytes = config.vocab_size * config.hidden_size * kNarrowBits / 8;
  std::vector<ModulePlan> modules;
  if (ends.embedding) modules.push_back({.name = EmbeddingModule(config), .is_narrow = true, .bytes = bytes});
  if (ends.head) modules.push_back({.name = HeadModule(config), .is_narrow = true, .bytes = bytes});
  return modules;
}

// Of a worker beside what refinement has in memory.
constexpr int64_t kWorkerBytes = int64_t{500} << 20;
constexpr int64_t kCudaContextBytes = int64_t{900} << 20;

/// Stages that nobody asked for by name are left out on a GPU that has no room for them.
void AddRefinement(const ModelConfig& config, const CompressSpec& spec, DeviceKind device, Plan& plan) {
  plan.refine = DecideStages(spec, plan.bits_per_weight);
  const RefineWork work = RefineWorkOf(config, spec, plan.refine, device);
  if (work.bytes == 0) return;
  if (device == DeviceKind::kCpu) {
    plan.memory.host_bytes = std::max(plan.memory.host_bytes, kWorkerBytes + work.bytes);
    return;
  }
  const int64_t gpu_bytes = kCudaContextBytes + work.bytes / 10 * 11;
  plan.memory.tensor_bytes = std::max(plan.memory.tensor_bytes, work.bytes);
  plan.memory.gpu_bytes = std::max(plan.memory.gpu_bytes, gpu_bytes);
  if (spec.refine.num_stages() > 0) plan.memory.least_gpu_bytes = std::max(plan.memory.least_gpu_bytes, gpu_bytes);
}

std::string RelativeTextName(const std::string& path) {
  return path.empty() ? "built-in" : std::filesystem::path(path).filename().string();
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const ModelFolder& source, const CompressSpec& spec, DeviceKind device) {
  PIVOT_ASSIGN_OR_RETURN(const ModelSchemes schemes, PlannedSchemes(source, spec));
  return MakePlan(source, spec, schemes, device);
}

absl::StatusOr<Plan> MakePlan(const ModelFolder& source, const CompressSpec& spec, const ModelSchemes& schemes,
                              DeviceKind device) {
  const ModelConfig& config = source.config();
  Plan plan;
  double quantized_bits = 0;
  double quantized_weights = 0;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      const std::optional<WeightScheme>& scheme = schemes.at(block, role);
      plan.modules.push_back(
          {.name = module, .scheme = scheme, .bytes = LinearBytes(source, module, shape, scheme, spec)});
      if (!scheme.has_value()) continue;
      const double weights = static_cast<double>(shape.out_features) * static_cast<double>(shape.in_features);
      quantized_weights += weights;
      quantized_bits += weights * BitsPerWeight(shape, StorageIn(*scheme, spec.layout));
    }
  }
  for (ModulePlan& end : NarrowModules(config, schemes.ends())) plan.modules.push_back(std::move(end));
  plan.bits_per_weight = quantized_weights > 0 ? quantized_bits / quantized_weights : kPlainBits;

  double all_weights = quantized_weights;
  double all_bits = quantized_bits;
  for (const auto& [name, location] : source.tensors()) {
    if (!IsKept(source, schemes, name)) continue;
    PIVOT_ASSIGN_OR_RETURN(const int64_t weights, NumElements(location.info->shape));
    all_weights += static_cast<double>(weights);
    const bool is_narrow = IsNarrow(config, schemes.ends(), name);
    all_bits +=
        static_cast<double>(weights) * static_cast<double>(is_narrow ? kNarrowBits : DtypeBits(location.info->dtype));
  }
  plan.model_bits_per_weight = all_bits / all_weights;

  PIVOT_ASSIGN_OR_RETURN(plan.total_bytes, OutputBytes(source, schemes, spec));
  plan.work = WorkOf(config, spec, EvaluationTokens(spec.evaluation));
  plan.memory = MemoryOf(config, spec, device);
  plan.measure = MeasureWorkOf(config, spec, device);
  plan.memory.host_bytes += plan.measure.host_bytes;
  AddRefinement(config, spec, device, plan);
  return plan;
}

json PlanToJson(const Plan& plan, const ModelFolder& source, const CompressSpec& spec, DeviceKind device) {
  const TimeEstimate time =
      EstimateTime(source.config(), spec, plan.work, plan.measure, plan.refine, ThisMachine(device));
  json stages = json::array();
  for (const StageTime& stage : time.stages) stages.push_back(StageJson(stage, plan));
  const bool on_gpu = device == DeviceKind::kCuda;
  json warnings = json::array();
  if (source.config().found != nullptr) warnings.push_back(DescribeFound(*source.config().found));
  json devices = json::array();
  if (!on_gpu) {
    const int64_t available = AvailableHostBytes();
    devices.push_back({{"device", "cpu"},
                       {"fits", plan.memory.host_bytes <= available},
                       {"needed_bytes", plan.memory.host_bytes},
                       {"available_bytes", available}});
  }
  return {{"schema", kPlanSchema},
          {"status", "estimated"},
          {"architecture", std::string(source.config().architecture->model_type)},
          {"num_blocks", source.config().num_blocks},
          {"group_size", spec.scheme.group_size},
          {"modules", ModulesJson(plan, spec)},
          {"total_bytes", plan.total_bytes},
          {"source_bytes", source.weight_file_bytes()},
          {"source_digest", SourceDigest(source)},
          {"bits_per_weight", plan.bits_per_weight},
          {"model_bits_per_weight", plan.model_bits_per_weight},
          {"peak_gpu_bytes", plan.memory.gpu_bytes},
          {"least_gpu_bytes", plan.memory.least_gpu_bytes},
          {"peak_host_bytes", plan.memory.host_bytes},
          {"disk_bytes", plan.total_bytes * (2 + plan.refine.num_stages())},
          {"est_seconds", time.total()},
          {"stages", std::move(stages)},
          {"devices", std::move(devices)},
          {"warnings", std::move(warnings)}};
}

std::string PlanFileJson(const Plan& plan, const ModelFolder& source, const CompressSpec& spec) {
  const ordered_json document{{"schema", kPlanSchema},
                              {"architecture", std::string(source.config().architecture->model_type)},
                              {"source_digest", SourceDigest(source)},
                              {"spec", ordered_json::parse(CanonicalSpec(spec))},
                              {"calibration_text", RelativeTextName(spec.calibration.text_path)},
                              {"total_bytes", plan.total_bytes},
                              {"bits_per_weight", plan.bits_per_weight},
                              {"model_bits_per_weight", plan.model_bits_per_weight},
                              {"modules", ModulesJson(plan, spec)}};
  return document.dump(1) + "\n";
}

}  // namespace pivot
