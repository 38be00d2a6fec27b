// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_OUTPUT_BYTES_H_
#define PIVOT_ENGINE_PLAN_OUTPUT_BYTES_H_

// Sizes of what will be written, exact, before anything is.

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/format/model_schemes.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// How a layer of the scheme is stored in the layout.
LinearStorage StorageIn(const WeightScheme& scheme, CodeLayout layout);

/// Of a layer's tensors in all folders of the output; of one without a scheme those of the source.
int64_t LinearBytes(const ModelFolder& source, absl::string_view module, LinearShape shape,
                    const std::optional<WeightScheme>& scheme, const CompressSpec& spec);

/// Of all published folders, without pivot/: weights, index, configuration and copied files.
absl::StatusOr<int64_t> OutputBytes(const ModelFolder& source, const ModelSchemes& schemes, const CompressSpec& spec);

/// The most bytes that the output may have: of bits those of a uniform model of that width, between two whole ones
/// in proportion; of a GPU's memory what the weights may have of it (WeightBudget, with its errors).
absl::StatusOr<int64_t> BudgetBytes(const ModelFolder& source, const CompressSpec& spec);

/// The output cannot have fewer than `least_bytes`: kFailedPrecondition (BUDGET_TOO_SMALL).
absl::Status BudgetTooSmall(int64_t max_bytes, int64_t least_bytes);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_OUTPUT_BYTES_H_
