// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/planned_schemes.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "engine/format/output_format.h"
#include "engine/model/block_linears.h"
#include "engine/plan/allocation.h"
#include "engine/plan/conversion.h"
#include "engine/plan/output_bytes.h"
#include "engine/plan/plan_rules.h"
#include "engine/plan/spec_fields.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// The largest width that fits; what the spec says where the budget is of bits.
absl::StatusOr<ModelSchemes> UniformSchemes(const ModelFolder& source, const CompressSpec& spec) {
  if (spec.plan.budget.is_bits()) return ModelSchemes::Uniform(source.config(), spec.scheme);
  PIVOT_ASSIGN_OR_RETURN(const int64_t max_bytes, BudgetBytes(source, spec));
  int64_t least_bytes = 0;
  for (int bits = kMaxBits; bits >= kMinBits; --bits) {
    WeightScheme scheme = spec.scheme;
    scheme.bits = bits;
    ModelSchemes schemes = ModelSchemes::Uniform(source.config(), scheme);
    PIVOT_ASSIGN_OR_RETURN(least_bytes, OutputBytes(source, schemes, spec));
    if (least_bytes <= max_bytes) return schemes;
  }
  return BudgetTooSmall(max_bytes, least_bytes);
}

/// Whether all formats of the output hold the schemes that somebody wrote.
absl::Status CheckExpressible(const ModelConfig& config, const ModelSchemes& schemes, const CompressSpec& spec) {
  if (const std::string why = WhyNotNarrow(config, spec.layouts()); schemes.ends().any() && !why.empty())
    return InvalidSpec("plan_rules", absl::StrCat("has 8-bit floats at the ends of the model, which ", why));
  for (int block = 0; block < schemes.num_blocks(); ++block) {
    for (const BlockLinear& linear : DistinctLinears(config, block)) {
      const auto& scheme = schemes.at(block, linear.role);
      if (!scheme.has_value()) continue;
      std::string why = WhyNotInAll(*scheme, spec.layouts());
      for (const CodeLayout layout : spec.layouts())
        if (why.empty()) why = WhyNotExpressible(linear.shape, *scheme, layout);
      if (!why.empty()) {
        return InvalidSpec("plan_rules", absl::StrCat("does not go with \"", OutputFormatName(spec.layouts()),
                                                      "\": ", linear.module, " ", why));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelSchemes> SchemesOfRules(const ModelFolder& source, const CompressSpec& spec) {
  const nlohmann::json rules = nlohmann::json::parse(spec.plan.rules, nullptr, /*allow_exceptions=*/false);
  if (rules.is_discarded()) return InvalidSpec("plan_rules", "is not JSON");
  PIVOT_ASSIGN_OR_RETURN(ModelSchemes schemes, SchemesOf(source.config(), spec.scheme, spec.quantize.method, rules));
  PIVOT_RETURN_IF_ERROR(CheckExpressible(source.config(), schemes, spec));
  if (schemes.ends().any() && spec.plan.budget.vram_bytes != 0) {
    return InvalidSpec(
        "plan_rules",
        "narrows embedding or head, which saves nothing of a GPU's memory: leave them, or name max_bytes");
  }
  if (spec.plan.budget.is_bits()) return schemes;
  PIVOT_ASSIGN_OR_RETURN(const int64_t max_bytes, BudgetBytes(source, spec));
  PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, OutputBytes(source, schemes, spec));
  if (bytes > max_bytes) return BudgetTooSmall(max_bytes, bytes);
  return schemes;
}

absl::StatusOr<ModelSchemes> PriorSchemes(const ModelFolder& source, const CompressSpec& spec) {
  PIVOT_ASSIGN_OR_RETURN(const int64_t max_bytes, BudgetBytes(source, spec));
  const std::vector<PlanUnit> units = PlanUnits(source, spec);
  std::vector<std::vector<UnitChoice>> choices = UnitChoices(source, spec);
  FillPriorCosts(source.config(), units, choices);
  PIVOT_ASSIGN_OR_RETURN(Allocation allocation, Allocate(source, spec, units, choices, max_bytes));
  return std::move(allocation.schemes);
}

}  // namespace

absl::StatusOr<ModelSchemes> PlannedSchemes(const ModelFolder& source, const CompressSpec& spec) {
  switch (spec.plan.kind) {
    case PlanKind::kUniform:
      return UniformSchemes(source, spec);
    case PlanKind::kRules:
      return SchemesOfRules(source, spec);
    case PlanKind::kAutomatic:
      return PriorSchemes(source, spec);
  }
  return absl::InternalError("no such kind of plan");
}

}  // namespace pivot
