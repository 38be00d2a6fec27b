// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_trial.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/staged_folder.h"
#include "engine/evaluate/quality.h"
#include "engine/model/block_linears.h"
#include "engine/plan/conversion.h"
#include "engine/quantize/layerwise.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int64_t kTrialTokens = 16384;
constexpr int64_t kHeldOutTokens = 8192;

/// Windows that a trial calibrates with, the first ones, and that it is measured on, the last ones.
struct TrialWindows {
  at::Tensor calibration;
  std::vector<at::Tensor> held_out;
};

TrialWindows SplitWindows(const at::Tensor& windows) {
  const int64_t count = windows.size(0);
  const int64_t length = windows.size(1);
  const auto windows_of = [&](int64_t tokens) { return std::max<int64_t>(1, tokens / length); };
  const int64_t held_out = std::min(windows_of(kHeldOutTokens), std::max<int64_t>(1, count / 3));
  TrialWindows split{.calibration =
                         windows.narrow(0, 0, std::min(windows_of(kTrialTokens), count - held_out)).contiguous()};
  for (int64_t i = count - held_out; i < count; ++i) split.held_out.push_back(windows.narrow(0, i, 1));
  return split;
}

/// KL(original || model with these schemes), the mean of a held-out token.
absl::StatusOr<double> MeasureTrial(const TrialInput& input, const TrialWindows& windows, const ModelSchemes& schemes,
                                    const JobHooks& hooks) {
  const ModelFolder& source = input.source->folder().model;
  const std::string shard_folder = input.folder + "/shards";
  PIVOT_RETURN_IF_ERROR(RemoveAll(input.folder));
  PIVOT_RETURN_IF_ERROR(MakeFolders(shard_folder));
  CompressSpec spec = *input.spec;
  spec.calibration.num_samples = windows.calibration.size(0);
  const auto shards = OutputShards(source, schemes);
  std::string refused;
  PIVOT_ASSIGN_OR_RETURN(Journal journal, Journal::Open(input.folder + "/journal.jsonl", {}, &refused));
  const LayerwiseInput layerwise{.source = input.source,
                                 .spec = &spec,
                                 .schemes = &schemes,
                                 .shards = &shards,
                                 .shard_folder = shard_folder,
                                 .windows = windows.calibration,
                                 .placement = PlaceOn(*input.device, source.config(), spec),
                                 .journal = &journal};
  PIVOT_RETURN_IF_ERROR(RunLayerwise(layerwise, {.is_cancelled = hooks.is_cancelled}).status());
  PIVOT_RETURN_IF_ERROR(WriteShard(shard_folder, shards.back(), {}, source).status());
  PIVOT_ASSIGN_OR_RETURN(const auto texts, ConfigurationTexts(source, schemes, CodeLayout::kPackQuantized));
  const std::string model = input.folder + "/model";
  PIVOT_RETURN_IF_ERROR(AssembleFolder(model, shard_folder, shards, source, texts));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenCheckpoint(model));
  const WeightReader reader(folder, input.source->dtype(), input.source->device());
  PIVOT_ASSIGN_OR_RETURN(const Comparison comparison,
                         MeasureQuality(windows.held_out, reader, input.source, {.is_cancelled = hooks.is_cancelled}));
  return *comparison.model.kl_mean;
}

bool AreUniform(const ModelConfig& config, const ModelSchemes& schemes, const WeightScheme& uniform) {
  if (schemes.ends().any()) return false;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockLinear& linear : DistinctLinears(config, block))
      if (schemes.at(block, linear.role) != uniform) return false;
  }
  return true;
}

absl::Status Compare(const TrialInput& input, const JobHooks& hooks, MeasuredPlan& plan) {
  const ModelConfig& config = input.source->config();
  const TrialWindows windows = SplitWindows(input.windows);
  PIVOT_ASSIGN_OR_RETURN(const double plan_kl, MeasureTrial(input, windows, plan.schemes, hooks));
  PIVOT_ASSIGN_OR_RETURN(const double uniform_kl,
                         MeasureTrial(input, windows, ModelSchemes::Uniform(config, *plan.uniform), hooks));
  const auto held_out = static_cast<int64_t>(windows.held_out.size());
  plan.report["comparison"] = {{"plan_kl", plan_kl},
                               {"uniform_kl", uniform_kl},
                               {"uniform_bits", plan.uniform->bits},
                               {"tokens", held_out * input.windows.size(1)}};
  return RemoveAll(input.folder);
}

}  // namespace

ActivationPlacement PlaceOn(const ComputeDevice& device, const ModelConfig& config, const CompressSpec& spec) {
  return device.kind() == DeviceKind::kCuda ? PlaceActivations(config, spec, device.memory_bytes)
                                            : ActivationPlacement{};
}

absl::Status SettlePlan(const TrialInput& input, const JobHooks& hooks, MeasuredPlan& plan) {
  const bool is_close = plan.uniform.has_value() && plan.cost > kSureMargin * plan.uniform_cost;
  if (!is_close || input.windows.size(0) < 2) return absl::OkStatus();
  const ModelConfig& config = input.source->config();
  if (AreUniform(config, plan.schemes, *plan.uniform)) return absl::OkStatus();
  if (!plan.report.contains("comparison")) PIVOT_RETURN_IF_ERROR(Compare(input, hooks, plan));
  json& comparison = plan.report["comparison"];
  const bool keeps_plan = comparison.value("plan_kl", 0.0) <= comparison.value("uniform_kl", 0.0);
  comparison["kept"] = keeps_plan ? "plan" : "uniform";
  if (!keeps_plan) plan.schemes = ModelSchemes::Uniform(config, *plan.uniform);
  return absl::OkStatus();
}

}  // namespace pivot
