// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/quantize_options.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/json.h"
#include "engine/plan/spec_fields.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// Positions are those of the enums.
constexpr std::array<absl::string_view, 2> kMethodNames = {"gptq", "rtn"};
constexpr std::array<absl::string_view, 2> kClipSearchNames = {"none", "conditional"};
constexpr std::array<absl::string_view, 2> kScaleSignsNames = {"positive", "either"};
constexpr std::array<absl::string_view, 2> kActOrderNames = {"none", "weight"};
// More never changed anything in a measurement.
constexpr int64_t kMaxSweeps = 100;
constexpr double kMaxRegularization = 100;

absl::Status CheckNumbers(const QuantizeOptions& options) {
  for (const auto& [name, value] : {std::pair<absl::string_view, double>{"quantize.percdamp", options.percdamp},
                                    {"quantize.qep_percdamp", options.qep_percdamp}}) {
    if (!(value > 0 && value <= 1)) return InvalidSpec(name, "must be above 0 and at most 1");
  }
  for (const auto& [name, value] : {std::pair<absl::string_view, double>{"quantize.qep_alpha", options.qep_alpha},
                                    {"quantize.qep_residual", options.qep_residual}}) {
    if (!(value >= 0 && value <= 1)) return InvalidSpec(name, "must be from 0 to 1");
  }
  if (!(options.regularization >= 0 && options.regularization <= kMaxRegularization))
    return InvalidSpec("quantize.regularization", absl::StrCat("must be from 0 to ", kMaxRegularization));
  if (options.refine_sweeps < 0 || options.refine_sweeps > kMaxSweeps)
    return InvalidSpec("quantize.refine_sweeps", absl::StrCat("must be from 0 to ", kMaxSweeps));
  return absl::OkStatus();
}

}  // namespace

absl::string_view MethodName(Method method) { return kMethodNames[static_cast<size_t>(method)]; }
absl::string_view ClipSearchName(ClipSearch search) { return kClipSearchNames[static_cast<size_t>(search)]; }
absl::string_view ScaleSignsName(ScaleSigns signs) { return kScaleSignsNames[static_cast<size_t>(signs)]; }
absl::string_view ActOrderName(ActOrder order) { return kActOrderNames[static_cast<size_t>(order)]; }

absl::StatusOr<QuantizeOptions> ParseQuantizeOptions(const json& object) {
  JsonFields fields(object, "quantize");
  QuantizeOptions options;
  PIVOT_ASSIGN_OR_RETURN(options.method,
                         ParseName(fields.OptionalText("method"), kMethodNames, options.method, "quantize.method"));
  PIVOT_ASSIGN_OR_RETURN(options.clip_search, ParseName(fields.OptionalText("clip_search"), kClipSearchNames,
                                                        options.clip_search, "quantize.clip_search"));
  PIVOT_ASSIGN_OR_RETURN(options.act_order, ParseName(fields.OptionalText("act_order"), kActOrderNames,
                                                      options.act_order, "quantize.act_order"));
  PIVOT_ASSIGN_OR_RETURN(options.scale_signs, ParseName(fields.OptionalText("scale_signs"), kScaleSignsNames,
                                                        options.scale_signs, "quantize.scale_signs"));
  options.percdamp = fields.OptionalNumber("percdamp").value_or(options.percdamp);
  options.regularization = fields.OptionalNumber("regularization").value_or(options.regularization);
  options.qep_alpha = fields.OptionalNumber("qep_alpha").value_or(options.qep_alpha);
  // Whoever says how much to propagate means both.
  options.qep_residual = fields.OptionalNumber("qep_residual").value_or(options.qep_alpha);
  options.qep_percdamp = fields.OptionalNumber("qep_percdamp").value_or(options.qep_percdamp);
  options.refine_sweeps = fields.OptionalInteger("refine_sweeps").value_or(options.refine_sweeps);
  PIVOT_RETURN_IF_ERROR(fields.status());
  PIVOT_RETURN_IF_ERROR(CheckNumbers(options));
  return options;
}

}  // namespace pivot
