// SPDX-License-Identifier: Apache-2.0
#include "nlohmann/json.hpp"

#include "engine/format/output_format.h"
#include "engine/plan/compress_spec.h"
#include "engine/plan/conversion.h"

namespace pivot {
namespace {

nlohmann::ordered_json RefineJson(const RefineOptions& refine) {
  nlohmann::ordered_json object{{"stages", std::string(RefineStagesName(refine.stages))},
                                {"self_text", refine.self_text},
                                {"step_tokens", refine.step_tokens},
                                {"block_steps", refine.block_steps},
                                {"code_rate", refine.code_rate},
                                {"scale_rate", refine.scale_rate}};
  if (!refine.runs_globally()) return object;
  object["global_epochs"] = refine.global_epochs;
  object["global_rate"] = refine.global_rate;
  return object;
}

}  // namespace

std::string CanonicalSpec(const CompressSpec& spec) {
  nlohmann::ordered_json canonical{{"bits", spec.scheme.bits},
                                   {"group_size", spec.scheme.group_size},
                                   {"method", std::string(MethodName(spec.quantize.method))},
                                   {"percdamp", spec.quantize.percdamp},
                                   {"regularization", spec.quantize.regularization},
                                   {"qep_alpha", spec.quantize.qep_alpha},
                                   {"qep_residual", spec.quantize.qep_residual},
                                   {"qep_percdamp", spec.quantize.qep_percdamp},
                                   {"clip_search", std::string(ClipSearchName(spec.quantize.clip_search))},
                                   {"scale_signs", std::string(ScaleSignsName(spec.quantize.scale_signs))},
                                   {"refine_sweeps", spec.quantize.refine_sweeps},
                                   {"act_order", std::string(ActOrderName(spec.quantize.act_order))},
                                   {"num_samples", spec.calibration.num_samples},
                                   {"sequence_length", spec.calibration.sequence_length},
                                   {"seed", spec.calibration.seed}};
  if (!spec.scheme.is_symmetric()) canonical["asymmetric"] = true;
  if (!spec.scheme.is_integer()) canonical["type"] = std::string(CodeTypeName(spec.scheme.type));
  const CalibrationSpec& calibration = spec.calibration;
  if (calibration.strategy != SamplingStrategy::kConcatRandom)
    canonical["strategy"] = std::string(SamplingStrategyName(calibration.strategy));
  if (!calibration.text_key.empty()) canonical["text_key"] = calibration.text_key;
  if (calibration.quality_filter) canonical["quality_filter"] = true;
  if (spec.plan.kind != PlanKind::kUniform) canonical["plan"] = std::string(PlanKindName(spec.plan.kind));
  const Budget& budget = spec.plan.budget;
  if (spec.measures_plan() && budget.is_bits()) canonical["budget_bits"] = budget.bits;
  if (budget.max_bytes != 0) canonical["max_bytes"] = budget.max_bytes;
  if (budget.vram_bytes != 0) canonical["vram_bytes"] = budget.vram_bytes;
  if (budget.vram_bytes != 0) canonical["context_tokens"] = budget.context_tokens;
  if (!spec.plan.rules.empty())
    canonical["plan_rules"] = nlohmann::ordered_json::parse(spec.plan.rules, nullptr, false);
  const absl::string_view format = OutputFormatName(spec.layouts());
  if (format != FormatName(CodeLayout::kPackQuantized)) canonical["format"] = std::string(format);
  if (spec.refine.num_stages() > 0) canonical["refine"] = RefineJson(spec.refine);
  return canonical.dump();
}

}  // namespace pivot
