// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/budget.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "engine/plan/spec_fields.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Positions are those of the enum.
constexpr std::array<absl::string_view, 3> kPlanKindNames = {"uniform", "auto", "rules"};

constexpr double kDefaultBits = 4;
constexpr int64_t kDefaultContext = 8192;

absl::Status CheckBudget(const Budget& budget, const ModelConfig& config) {
  const int given = (budget.bits != 0 ? 1 : 0) + (budget.max_bytes != 0 ? 1 : 0) + (budget.vram_bytes != 0 ? 1 : 0);
  if (given > 1) return InvalidSpec("bits", "excludes max_bytes and vram_bytes, and each of these the other: name one");
  if (budget.bits != 0 && !(budget.bits >= kMinBits && budget.bits <= kMaxBits))
    return InvalidSpec("bits", absl::StrCat("is ", budget.bits, "; allowed: ", kMinBits, " to ", kMaxBits));
  if (budget.max_bytes < 0) return InvalidSpec("max_bytes", "must be 1 or more, or 0 for none");
  if (budget.vram_bytes < 0) return InvalidSpec("vram_bytes", "must be 1 or more, or 0 for none");
  if (budget.context_tokens != 0 && budget.vram_bytes == 0)
    return InvalidSpec("context_tokens", "goes with vram_bytes");
  if (budget.context_tokens < 0 || budget.context_tokens > config.max_positions) {
    return InvalidSpec("context_tokens", absl::StrCat("must be from 1 to the model's ", config.max_positions,
                                                      " positions, or 0 for the default"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view PlanKindName(PlanKind kind) { return kPlanKindNames[static_cast<size_t>(kind)]; }

absl::StatusOr<PlanOptions> ParsePlanOptions(JsonFields& fields, const ModelConfig& config) {
  PlanOptions options{.budget = {.bits = fields.OptionalNumber("bits").value_or(0),
                                 .max_bytes = fields.OptionalInteger("max_bytes").value_or(0),
                                 .vram_bytes = fields.OptionalInteger("vram_bytes").value_or(0),
                                 .context_tokens = fields.OptionalInteger("context_tokens").value_or(0)},
                      .rules = fields.OptionalText("plan_rules").value_or(""),
                      .measure_only = fields.BooleanOr("measure_only", false)};
  const auto kind = fields.OptionalText("plan_kind");
  PIVOT_RETURN_IF_ERROR(fields.status());
  PIVOT_RETURN_IF_ERROR(CheckBudget(options.budget, config));
  Budget& budget = options.budget;
  if (budget.is_bits() && budget.bits == 0) budget.bits = kDefaultBits;
  if (budget.vram_bytes != 0 && budget.context_tokens == 0)
    budget.context_tokens = std::min(kDefaultContext, config.max_positions);
  const bool is_whole = budget.is_bits() && budget.bits == std::floor(budget.bits);
  PlanKind fallback = is_whole ? PlanKind::kUniform : PlanKind::kAutomatic;
  if (!options.rules.empty()) fallback = PlanKind::kRules;
  PIVOT_ASSIGN_OR_RETURN(options.kind, ParseName(kind, kPlanKindNames, fallback, "plan_kind"));
  if (options.kind == PlanKind::kRules && options.rules.empty()) return InvalidSpec("plan_rules", "is missing");
  if (options.kind != PlanKind::kRules && !options.rules.empty())
    return InvalidSpec("plan_rules", absl::StrCat("goes with plan_kind rules, not with ", PlanKindName(options.kind)));
  if (options.kind == PlanKind::kUniform && budget.is_bits() && !is_whole)
    return InvalidSpec("bits", absl::StrCat("is ", budget.bits, "; a uniform model takes a whole number from 2 to 8"));
  if (options.measure_only && options.kind != PlanKind::kAutomatic)
    return InvalidSpec("measure_only", absl::StrCat("goes with plan_kind auto, not with ", PlanKindName(options.kind)));
  return options;
}

absl::Status CheckPlanOptions(const PlanOptions& options, const WeightScheme& scheme, const ModelConfig& config) {
  if (options.kind == PlanKind::kUniform && options.budget.is_bits()) return absl::OkStatus();
  if (!scheme.is_integer()) {
    return InvalidSpec("format", absl::StrCat("has one width, that of ", CodeTypeName(scheme.type),
                                              ": leave out the plan and the budget"));
  }
  if (options.kind == PlanKind::kAutomatic && config.found != nullptr) {
    return InvalidSpec("plan_kind",
                       "cannot be auto: of an architecture that is not supported nothing is measured, and nobody "
                       "knows which layers are fused; use a whole number of bits");
  }
  return absl::OkStatus();
}

}  // namespace pivot
