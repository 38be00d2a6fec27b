// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/plan.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "engine/format/quantization_config.h"
#include "engine/model/block_linears.h"
#include "engine/model/found_model.h"
#include "engine/plan/conversion.h"
#include "engine/plan/gguf_plan.h"
#include "engine/plan/output_layout.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kPlanSchema = 1;
// Rates to turn arithmetic into seconds before anything is measured: fp32 products of one core with AVX2 or AVX-512,
// and bf16 products of a data-centre GPU at the share of its peak that the whole job reaches.
constexpr double kCpuFlopsPerCore = 70e9;
constexpr double kGpuFlops = 150e12;
constexpr double kStartSeconds = 1;

/// How a layer of the scheme is stored in the layout.
LinearStorage StorageOf(const WeightScheme& scheme, CodeLayout layout) {
  if (layout != CodeLayout::kGguf) return {.layout = layout, .scheme = scheme};
  return {.layout = layout, .scheme = SchemeOf(BlocksFor(scheme)).value_or(scheme)};
}

/// Of all folders of the output.
int64_t ModuleBytes(LinearShape shape, const CompressSpec& spec) {
  int64_t total = 0;
  for (const CodeLayout layout : spec.layouts()) total += StoredBytes(shape, StorageOf(spec.scheme, layout));
  return total;
}

absl::StatusOr<int64_t> CopiedBytes(const ModelFolder& source) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> names, source.OtherFiles());
  int64_t total = 0;
  for (const std::string& name : names) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(source.path() + "/" + name, error);
    total += error ? 0 : static_cast<int64_t>(bytes);
    if (!error) continue;
    // What a GGUF file tells; anything else says what is wrong.
    PIVOT_ASSIGN_OR_RETURN(const std::string text, source.ReadOtherFile(name));
    total += static_cast<int64_t>(text.size());
  }
  return total;
}

/// Weights, index, configuration and copied files of one folder of the output.
absl::StatusOr<int64_t> FolderBytes(const ModelFolder& source, const ModelSchemes& schemes, CodeLayout layout) {
  PIVOT_ASSIGN_OR_RETURN(int64_t total, CopiedBytes(source));
  if (layout == CodeLayout::kGguf) {
    PIVOT_ASSIGN_OR_RETURN(const GgufPlan gguf, PlanGguf(source, schemes));
    return total + gguf.file_bytes();
  }
  const std::vector<OutputShard> shards = OutputShards(source, schemes, {.layout = layout});
  for (const OutputShard& shard : shards) total += LayOutSafetensors(shard.tensors).file_bytes;
  PIVOT_ASSIGN_OR_RETURN(const auto texts, ConfigurationTexts(source, schemes, layout));
  for (const auto& [name, text] : texts) total += static_cast<int64_t>(text.size());
  return total + static_cast<int64_t>(IndexJson(shards).size());
}

double StageSeconds(double flops, DeviceKind device) {
  const double cpu = kCpuFlopsPerCore * std::max(1U, std::thread::hardware_concurrency());
  return flops / (device == DeviceKind::kCuda ? kGpuFlops : cpu);
}

json StageJson(const char* name, double flops, const Plan& plan, DeviceKind device) {
  return {{"name", name},
          {"est_seconds", StageSeconds(flops, device)},
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

std::string RelativeTextName(const std::string& path) {
  return path.empty() ? "built-in" : std::filesystem::path(path).filename().string();
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const ModelFolder& source, const CompressSpec& spec, DeviceKind device) {
  const ModelConfig& config = source.config();
  Plan plan;
  const ModelSchemes schemes = ModelSchemes::Uniform(config, spec.scheme);
  double quantized_bits = 0;
  double quantized_weights = 0;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      const double weights = static_cast<double>(shape.out_features) * static_cast<double>(shape.in_features);
      quantized_weights += weights;
      quantized_bits += weights * BitsPerWeight(shape, StorageOf(spec.scheme, spec.layout));
      plan.modules.push_back({.name = module, .scheme = spec.scheme, .bytes = ModuleBytes(shape, spec)});
    }
  }
  plan.bits_per_weight = quantized_bits / quantized_weights;

  double all_weights = quantized_weights;
  double all_bits = quantized_bits;
  for (const auto& [name, location] : source.tensors()) {
    if (!IsKept(source, schemes, name)) continue;
    PIVOT_ASSIGN_OR_RETURN(const int64_t weights, NumElements(location.info->shape));
    all_weights += static_cast<double>(weights);
    all_bits += static_cast<double>(weights) * static_cast<double>(DtypeBits(location.info->dtype));
  }
  plan.model_bits_per_weight = all_bits / all_weights;

  for (const CodeLayout layout : spec.layouts()) {
    PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, FolderBytes(source, schemes, layout));
    plan.total_bytes += bytes;
  }
  plan.work = WorkOf(config, spec, EvaluationTokens(spec.evaluation));
  plan.memory = MemoryOf(config, spec, device);
  return plan;
}

json PlanToJson(const Plan& plan, const ModelFolder& source, const CompressSpec& spec, DeviceKind device) {
  json modules = json::array();
  for (const ModulePlan& module : plan.modules) {
    modules.push_back({{"name", module.name},
                       {"type", std::string(CodeTypeName(module.scheme.type))},
                       {"bits", module.scheme.bits},
                       {"group_size", module.scheme.group_size},
                       {"method", std::string(MethodName(spec.quantize.method))},
                       {"bytes", module.bytes}});
  }
  const double layerwise = plan.work.forward + plan.work.statistics + plan.work.solve;
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
  return {
      {"schema", kPlanSchema},
      {"status", "estimated"},
      {"architecture", std::string(source.config().architecture->model_type)},
      {"num_blocks", source.config().num_blocks},
      {"group_size", spec.scheme.group_size},
      {"modules", std::move(modules)},
      {"total_bytes", plan.total_bytes},
      {"source_bytes", source.weight_file_bytes()},
      {"source_digest", SourceDigest(source)},
      {"bits_per_weight", plan.bits_per_weight},
      {"model_bits_per_weight", plan.model_bits_per_weight},
      {"peak_gpu_bytes", plan.memory.gpu_bytes},
      {"peak_host_bytes", plan.memory.host_bytes},
      {"disk_bytes", plan.total_bytes * 2},
      {"est_seconds", kStartSeconds + StageSeconds(plan.work.total(), device)},
      {"stages",
       {StageJson("layerwise", layerwise, plan, device), StageJson("evaluate", plan.work.evaluation, plan, device)}},
      {"devices", std::move(devices)},
      {"warnings", std::move(warnings)}};
}

std::string PlanFileJson(const Plan& plan, const ModelFolder& source, const CompressSpec& spec) {
  ordered_json modules = ordered_json::array();
  for (const ModulePlan& module : plan.modules) {
    modules.push_back({{"name", module.name},
                       {"type", std::string(CodeTypeName(module.scheme.type))},
                       {"bits", module.scheme.bits},
                       {"group_size", module.scheme.group_size},
                       {"method", std::string(MethodName(spec.quantize.method))},
                       {"bytes", module.bytes}});
  }
  const ordered_json document{{"schema", kPlanSchema},
                              {"architecture", std::string(source.config().architecture->model_type)},
                              {"source_digest", SourceDigest(source)},
                              {"spec", ordered_json::parse(CanonicalSpec(spec))},
                              {"calibration_text", RelativeTextName(spec.calibration.text_path)},
                              {"total_bytes", plan.total_bytes},
                              {"bits_per_weight", plan.bits_per_weight},
                              {"model_bits_per_weight", plan.model_bits_per_weight},
                              {"modules", std::move(modules)}};
  return document.dump(1) + "\n";
}

}  // namespace pivot
