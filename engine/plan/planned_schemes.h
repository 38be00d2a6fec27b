// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_PLANNED_SCHEMES_H_
#define PIVOT_ENGINE_PLAN_PLANNED_SCHEMES_H_

#include "absl/status/statusor.h"

#include "engine/format/model_schemes.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// What headers alone tell of the scheme of each layer: one for all, of the largest width whose output fits where the
/// budget is of bytes; what a file's rules say; or, where the plan is to be measured, the choice by FillPriorCosts.
/// kFailedPrecondition (BUDGET_TOO_SMALL) when nothing fits, kInvalidArgument (INVALID_SPEC) for rules that are wrong.
absl::StatusOr<ModelSchemes> PlannedSchemes(const ModelFolder& source, const CompressSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_PLANNED_SCHEMES_H_
