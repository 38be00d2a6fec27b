// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/refine_options.h"

#include <array>

#include "engine/model/json.h"
#include "engine/plan/compress_spec.h"
#include "engine/plan/spec_fields.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Positions are those of the enum.
constexpr std::array<absl::string_view, 4> kStagesNames = {"auto", "none", "blockwise", "global"};

constexpr int64_t kMostSteps = 100'000;
constexpr int64_t kMostEpochs = 1'000;
constexpr int64_t kMostStepTokens = 1'000'000;
constexpr double kMostSelfText = 100;

struct RefineDefaults {
  int64_t step_tokens;
  int64_t block_steps;
  int64_t global_epochs;
};
constexpr RefineDefaults kGpuDefaults = {16384, 128, 6};
constexpr RefineDefaults kCpuDefaults = {2048, 32, 2};

constexpr double kBitsThatNeedIt = 4;

/// Why nothing can be learned; empty when something can.
std::string WhyNotRefinable(const CompressSpec& spec) {
  if (spec.quantize.method == Method::kRtn) return "needs calibration text, which the method rtn has none of";
  if (!spec.scheme.is_integer()) return "goes with integers, not with floating-point formats";
  if (spec.calibration.num_samples < 2) return "needs two calibration windows at least";
  if (spec.plan.measure_only) return "is of no use to a job that ends with its plan";
  return "";
}

absl::Status CheckCount(const char* field, int64_t value, int64_t most) {
  if (value >= 0 && value <= most) return absl::OkStatus();
  return InvalidSpec(field, absl::StrCat("must be from 1 to ", most, ", or 0 for the default"));
}

absl::Status CheckRate(const char* field, double value) {
  if (value >= 0 && value <= 1) return absl::OkStatus();
  return InvalidSpec(field, "must be from 0 to 1");
}

}  // namespace

absl::string_view RefineStagesName(RefineStages stages) { return kStagesNames[static_cast<size_t>(stages)]; }

absl::StatusOr<RefineOptions> ParseRefineOptions(const nlohmann::json& object) {
  JsonFields fields(object, "refine");
  RefineOptions options;
  PIVOT_ASSIGN_OR_RETURN(options.stages,
                         ParseName(fields.OptionalText("stages"), kStagesNames, options.stages, "refine.stages"));
  options.step_tokens = fields.OptionalInteger("step_tokens").value_or(0);
  options.block_steps = fields.OptionalInteger("block_steps").value_or(0);
  options.global_epochs = fields.OptionalInteger("global_epochs").value_or(0);
  options.code_rate = fields.OptionalNumber("code_rate").value_or(options.code_rate);
  options.scale_rate = fields.OptionalNumber("scale_rate").value_or(options.scale_rate);
  options.self_text = fields.OptionalNumber("self_text").value_or(options.self_text);
  options.global_rate = fields.OptionalNumber("global_rate").value_or(options.global_rate);
  PIVOT_RETURN_IF_ERROR(fields.status());
  PIVOT_RETURN_IF_ERROR(CheckCount("refine.step_tokens", options.step_tokens, kMostStepTokens));
  PIVOT_RETURN_IF_ERROR(CheckCount("refine.block_steps", options.block_steps, kMostSteps));
  PIVOT_RETURN_IF_ERROR(CheckCount("refine.global_epochs", options.global_epochs, kMostEpochs));
  PIVOT_RETURN_IF_ERROR(CheckRate("refine.code_rate", options.code_rate));
  PIVOT_RETURN_IF_ERROR(CheckRate("refine.scale_rate", options.scale_rate));
  PIVOT_RETURN_IF_ERROR(CheckRate("refine.global_rate", options.global_rate));
  if (!(options.self_text >= 0 && options.self_text <= kMostSelfText))
    return InvalidSpec("refine.self_text", absl::StrCat("must be from 0 to ", kMostSelfText));
  return options;
}

absl::Status FillRefineOptions(CompressSpec& spec, DeviceKind device) {
  RefineOptions& options = spec.refine;
  const RefineDefaults& defaults = device == DeviceKind::kCuda ? kGpuDefaults : kCpuDefaults;
  if (options.step_tokens == 0) options.step_tokens = defaults.step_tokens;
  if (options.block_steps == 0) options.block_steps = defaults.block_steps;
  if (options.global_epochs == 0) options.global_epochs = defaults.global_epochs;
  const std::string why_not = WhyNotRefinable(spec);
  if (options.num_stages() > 0 && !why_not.empty()) return InvalidSpec("refine.stages", why_not);
  if (!why_not.empty()) options.stages = RefineStages::kNone;
  return absl::OkStatus();
}

RefineOptions DecideStages(const CompressSpec& spec, double bits_per_weight) {
  RefineOptions options = spec.refine;
  if (options.stages != RefineStages::kAutomatic) return options;
  options.stages = bits_per_weight < kBitsThatNeedIt ? RefineStages::kGlobal : RefineStages::kNone;
  return options;
}

}  // namespace pivot
