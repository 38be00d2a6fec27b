// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/compress_spec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/format/output_format.h"
#include "engine/model/block_linears.h"
#include "engine/model/found_model.h"
#include "engine/model/json.h"
#include "engine/plan/conversion.h"
#include "engine/plan/gguf_plan.h"
#include "engine/plan/spec_fields.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// Positions are those of the enum.
constexpr std::array<absl::string_view, 3> kComputeDtypeNames = {"auto", "float32", "bfloat16"};

constexpr std::array<absl::string_view, 4> kStrategyNames = {"concat_rand", "concat_chunk", "drop_rand", "drop_head"};

// As GPTQ's files have it.
constexpr int64_t kWholeRow = -1;

// Of a plan whose budget says nothing of bits.
constexpr double kNominalBits = 4;

struct CalibrationDefaults {
  int64_t num_samples;
  int64_t sequence_length;
  int64_t evaluation_tokens;
};
// Far beyond any text; keeps products with sizes of a model far from overflow.
constexpr int64_t kMaxTokens = 10'000'000'000;
constexpr CalibrationDefaults kGpuDefaults = {512, 2048, 0};
constexpr CalibrationDefaults kCpuDefaults = {64, 512, 32768};

const json& ObjectOrEmpty(const json& task, const char* name) {
  static const json& empty = *new json(json::object());
  const auto found = task.find(name);
  return found == task.end() || found->is_null() ? empty : *found;
}

absl::StatusOr<CalibrationSpec> ParseCalibration(const json& object, const ModelConfig& config,
                                                 const CalibrationDefaults& defaults) {
  JsonFields fields(object, "calibration");
  CalibrationSpec spec{.text_path = fields.OptionalText("text_path").value_or(""),
                       .text_key = fields.OptionalText("text_key").value_or(""),
                       .quality_filter = fields.BooleanOr("quality_filter", false),
                       .num_samples = fields.OptionalInteger("num_samples").value_or(0),
                       .sequence_length = fields.OptionalInteger("sequence_length").value_or(0),
                       .seed = fields.OptionalInteger("seed").value_or(0)};
  PIVOT_ASSIGN_OR_RETURN(
      spec.strategy, ParseName(fields.OptionalText("strategy"), kStrategyNames, spec.strategy, "calibration.strategy"));
  PIVOT_RETURN_IF_ERROR(fields.status());
  if (spec.num_samples < 0 || spec.num_samples > 1'000'000) {
    return InvalidSpec("calibration.num_samples", "must be from 1 to 1,000,000, or 0 for the default");
  }
  if (spec.sequence_length < 0 || spec.sequence_length > config.max_positions) {
    return InvalidSpec(
        "calibration.sequence_length",
        absl::StrCat("must be from 1 to the model's ", config.max_positions, " positions, or 0 for the default"));
  }
  if (spec.num_samples == 0) spec.num_samples = defaults.num_samples;
  if (spec.sequence_length == 0) spec.sequence_length = std::min(defaults.sequence_length, config.max_positions);
  if (spec.num_tokens() > kMaxTokens) {
    return InvalidSpec("calibration.num_samples",
                       absl::StrCat("of ", spec.sequence_length, " tokens are more than ", kMaxTokens, " tokens"));
  }
  return spec;
}

absl::StatusOr<EvaluationSpec> ParseEvaluation(const json& object, const CalibrationDefaults& defaults) {
  JsonFields fields(object, "evaluation");
  EvaluationSpec spec{.skip = fields.BooleanOr("skip", false),
                      .text_path = fields.OptionalText("text_path").value_or(""),
                      .text_key = fields.OptionalText("text_key").value_or(""),
                      .max_tokens = fields.OptionalInteger("max_tokens").value_or(0)};
  PIVOT_RETURN_IF_ERROR(fields.status());
  if (spec.max_tokens < 0 || spec.max_tokens == 1 || spec.max_tokens > kMaxTokens) {
    return InvalidSpec("evaluation.max_tokens",
                       absl::StrCat("must be from 2 to ", kMaxTokens, ", or 0 for the default"));
  }
  if (spec.skip && (!spec.text_path.empty() || !spec.text_key.empty() || spec.max_tokens != 0)) {
    return InvalidSpec("evaluation.skip", "leaves no use for a text or a number of tokens: name either");
  }
  if (spec.max_tokens == 0) spec.max_tokens = defaults.evaluation_tokens;
  return spec;
}

/// Calibration runs the model.
absl::Status CheckMethod(Method method, const ModelConfig& config) {
  const absl::Status can_run = CheckCanRun(config);
  if (can_run.ok() || method == Method::kRtn) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat(can_run.message(), "; --method rtn rounds its weights without running it")),
                    ReasonOf(can_run), "job.spec.compress.quantize.method");
}

/// Of a model that cannot be run.
absl::Status LeaveOutEvaluation(EvaluationSpec& evaluation) {
  if (!evaluation.text_path.empty())
    return InvalidSpec("evaluation.text_path", "is of no use: a model of this architecture cannot be run");
  evaluation.skip = true;
  return absl::OkStatus();
}

/// The scheme of a floating-point format, which leaves nothing to choose.
absl::StatusOr<WeightScheme> CheckFloatScheme(const WeightScheme& scheme, const JsonFields& fields, double bits,
                                              int64_t group_size, bool asymmetric, const ModelConfig& config) {
  PIVOT_RETURN_IF_ERROR(fields.status());
  const absl::string_view name = CodeTypeName(scheme.type);
  if (bits != 0 && bits != scheme.bits)
    return InvalidSpec("bits", absl::StrCat("is ", bits, "; ", name, " has ", scheme.bits));
  if (group_size != 0 && group_size != scheme.group_size)
    return InvalidSpec("group_size", absl::StrCat("is ", group_size, "; ", name, " has its own: leave it out"));
  if (asymmetric) return InvalidSpec("asymmetric", absl::StrCat("goes with integers, not with ", name));
  if (config.found != nullptr && scheme.type == CodeType::kNvfp4)
    return InvalidSpec("format",
                       absl::StrCat("cannot be ", name, ", whose fused layers share a scale: of an ",
                                    "architecture that is not supported nobody knows which layers are fused"));
  for (const auto& [module, role, expert, shape, has_bias] : ModelLinears(config)) {
    const int64_t in_features = shape.in_features;
    if (in_features % scheme.ForRow(in_features).group_size == 0) continue;
    return InvalidSpec("format", absl::StrCat("cannot be ", name, ": its groups of ", scheme.group_size,
                                              " do not divide the ", in_features, " columns of ", module));
  }
  return scheme;
}

absl::StatusOr<WeightScheme> ParseScheme(JsonFields& fields, const PlanOptions& plan, const ModelConfig& config) {
  const int64_t group_size = fields.OptionalInteger("group_size").value_or(0);
  const bool asymmetric = fields.BooleanOr("asymmetric", false);
  const auto floats = FloatScheme(fields.OptionalText("format").value_or(""));
  if (floats.has_value()) {
    const double asked = fields.OptionalNumber("bits").value_or(0);
    return CheckFloatScheme(*floats, fields, asked, group_size, asymmetric, config);
  }
  PIVOT_RETURN_IF_ERROR(fields.status());
  const double bits = plan.budget.is_bits() ? std::floor(plan.budget.bits) : kNominalBits;
  if (asymmetric && bits != 4 && bits != 8) {
    return InvalidSpec("asymmetric", absl::StrCat("goes with 4 or 8 bits, which loaders read, not with ", bits));
  }
  const bool has_experts =
      absl::c_any_of(ModelLinears(config), [](const BlockLinear& linear) { return linear.expert != kNoExpert; });
  if (asymmetric && has_experts)
    return InvalidSpec("asymmetric", "does not go with experts: vLLM loads symmetric ones only");
  WeightScheme scheme{.bits = static_cast<int>(bits),
                      .group_size = group_size == kWholeRow ? 0 : group_size,
                      .symmetry = asymmetric ? Symmetry::kAsymmetric : Symmetry::kSymmetric};
  if (group_size == kWholeRow) return scheme;
  std::vector<int64_t> in_features;
  for (const BlockLinear& linear : ModelLinears(config)) in_features.push_back(linear.shape.in_features);
  if (group_size == 0) {
    scheme.group_size = AutomaticGroupSize(in_features);
    if (scheme.group_size == 0) {
      return InvalidSpec("group_size",
                         absl::StrCat("cannot be chosen: none of 128, 64, 32 divides all of the model's in_features (",
                                      absl::StrJoin(in_features, ", "), "); name one that does"));
    }
  }
  for (const int64_t features : in_features) {
    if (scheme.group_size < 1 || features % scheme.group_size != 0) {
      return InvalidSpec("group_size", absl::StrCat(group_size, " does not divide the model's in_features ", features,
                                                    "; use one that does, or auto"));
    }
  }
  return scheme;
}

absl::StatusOr<std::vector<CodeLayout>> ParseLayouts(JsonFields& fields, const ModelConfig& config,
                                                     const WeightScheme& scheme) {
  std::string format = fields.OptionalText("format").value_or("unspecified");
  PIVOT_RETURN_IF_ERROR(fields.status());
  // Floating-point formats are schemes of compressed-tensors.
  if (format == "unspecified" || !scheme.is_integer()) format = "compressed_tensors";
  std::vector<CodeLayout> layouts = LayoutsOf(format);
  if (layouts.empty() || layouts.front() == CodeLayout::kPlainBf16) {
    return InvalidSpec("format", absl::StrCat("is \"", format,
                                              "\"; allowed: compressed_tensors, gptq, gptq_v2, both, mixed_gptq, gguf, "
                                              "fp8, nvfp4, mxfp4"));
  }
  if (const std::string why = WhyNotInAll(scheme, layouts); !why.empty())
    return InvalidSpec(scheme.is_symmetric() ? "bits" : "asymmetric",
                       absl::StrCat("does not go with \"", format, "\": the model ", why));
  for (const CodeLayout layout : layouts) {
    for (const BlockLinear& linear : ModelLinears(config)) {
      const std::string why = WhyNotExpressible(linear.shape, scheme, layout);
      if (!why.empty()) return InvalidSpec("format", absl::StrCat("cannot be ", format, ": ", linear.module, " ", why));
    }
  }
  return layouts;
}

}  // namespace

absl::string_view ComputeDtypeName(ComputeDtype dtype) { return kComputeDtypeNames[static_cast<size_t>(dtype)]; }

absl::string_view SamplingStrategyName(SamplingStrategy strategy) {
  return kStrategyNames[static_cast<size_t>(strategy)];
}

absl::StatusOr<ComputeDtype> ParseComputeDtype(absl::string_view name) {
  return ParseName(std::optional<std::string>(std::string(name)), kComputeDtypeNames, ComputeDtype::kAutomatic,
                   "compute_dtype");
}

absl::StatusOr<std::string> SourcePath(const json& task, absl::string_view member) {
  const json& source = ObjectOrEmpty(task, std::string(member).c_str());
  JsonFields fields(source, member);
  std::string path = fields.Text("path");
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_SPEC");
  return path;
}

absl::StatusOr<CompressSpec> ResolveCompressSpec(const json& task, const ModelFolder& folder, DeviceKind device) {
  JsonFields fields(task, "compress");
  PIVOT_RETURN_IF_ERROR(fields.status());
  const CalibrationDefaults& defaults = device == DeviceKind::kCuda ? kGpuDefaults : kCpuDefaults;
  CompressSpec spec;
  PIVOT_ASSIGN_OR_RETURN(spec.source_path, SourcePath(task));
  PIVOT_ASSIGN_OR_RETURN(spec.quantize, ParseQuantizeOptions(ObjectOrEmpty(task, "quantize")));
  PIVOT_RETURN_IF_ERROR(CheckMethod(spec.quantize.method, folder.config()));
  PIVOT_ASSIGN_OR_RETURN(spec.plan, ParsePlanOptions(fields, folder.config()));
  PIVOT_ASSIGN_OR_RETURN(spec.scheme, ParseScheme(fields, spec.plan, folder.config()));
  if (spec.measures_plan() && spec.quantize.method == Method::kRtn)
    return InvalidSpec("plan_kind", "cannot be auto with the method rtn: use a whole number of bits, or rules");
  PIVOT_RETURN_IF_ERROR(CheckPlanOptions(spec.plan, spec.scheme, folder.config()));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<CodeLayout> layouts, ParseLayouts(fields, folder.config(), spec.scheme));
  spec.layout = layouts.front();
  spec.further_layouts.assign(layouts.begin() + 1, layouts.end());
  PIVOT_ASSIGN_OR_RETURN(spec.calibration,
                         ParseCalibration(ObjectOrEmpty(task, "calibration"), folder.config(), defaults));
  PIVOT_ASSIGN_OR_RETURN(spec.evaluation, ParseEvaluation(ObjectOrEmpty(task, "evaluation"), defaults));
  if (folder.config().found != nullptr) PIVOT_RETURN_IF_ERROR(LeaveOutEvaluation(spec.evaluation));
  PIVOT_ASSIGN_OR_RETURN(spec.dtype, ParseComputeDtype(fields.OptionalText("compute_dtype").value_or("auto")));
  PIVOT_ASSIGN_OR_RETURN(spec.refine, ParseRefineOptions(ObjectOrEmpty(task, "refine")));
  PIVOT_RETURN_IF_ERROR(FillRefineOptions(spec, device));
  PIVOT_RETURN_IF_ERROR(fields.status());
  return spec;
}

std::vector<CodeLayout> CompressSpec::layouts() const {
  std::vector<CodeLayout> all = {layout};
  all.insert(all.end(), further_layouts.begin(), further_layouts.end());
  return all;
}

QuantizeOptions CompressSpec::OptionsFor(const WeightScheme& layer) const {
  QuantizeOptions options = quantize;
  options.short_scales = layout == CodeLayout::kGguf && BlocksFor(layer) == GgmlType::kQ4_1;
  return options;
}

}  // namespace pivot
