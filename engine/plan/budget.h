// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_BUDGET_H_
#define PIVOT_ENGINE_PLAN_BUDGET_H_

// How large the result may be, and who says which layer gets which bits.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

#include "engine/format/weight_scheme.h"
#include "engine/model/json.h"
#include "engine/model/model_config.h"

namespace pivot {

enum class PlanKind {
  kUniform,    // one scheme for all layers
  kAutomatic,  // from measurements, under the budget
  kRules,      // from a file
};

/// "uniform", "auto", "rules".
absl::string_view PlanKindName(PlanKind kind);

struct Budget {
  double bits = 0;         // of a uniform model of that size, 2 to 8; 0 when one of the others is given
  int64_t max_bytes = 0;   // of the output without pivot/
  int64_t vram_bytes = 0;  // of the GPU that will serve the model
  int64_t context_tokens = 0;

  bool is_bits() const { return max_bytes == 0 && vram_bytes == 0; }
};

struct PlanOptions {
  PlanKind kind = PlanKind::kUniform;
  Budget budget;
  std::string rules;          // JSON of plan_rules.h
  bool measure_only = false;  // the job ends with its plan
};

/// From bits, max_bytes, vram_bytes, context_tokens, plan_kind, plan_rules and measure_only of a CompressTask.
/// kInvalidArgument (INVALID_SPEC) with the field.
absl::StatusOr<PlanOptions> ParsePlanOptions(JsonFields& fields, const ModelConfig& config);

/// Whether the options go with the scheme and the model. kInvalidArgument (INVALID_SPEC) with the field.
absl::Status CheckPlanOptions(const PlanOptions& options, const WeightScheme& scheme, const ModelConfig& config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_BUDGET_H_
