// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_EVALUATE_GENERATE_H_
#define PIVOT_ENGINE_EVALUATE_GENERATE_H_

// Greedy text: a quick look that a model still talks.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/evaluate/quality.h"
#include "engine/forward/weights.h"

namespace pivot {

struct Generated {
  std::vector<int32_t> tokens;  // without the prompt's
  bool reached_end = false;     // an end-of-text token was chosen; it is not among the tokens
};

/// Goes on from `prompt` (at least one token) with the likeliest token, the lower id of equals, until an end token or
/// max_tokens. All weights are in memory at once. kInvalidArgument when prompt and answer do not fit the model's
/// positions; kCancelled.
absl::StatusOr<Generated> GenerateGreedily(const std::vector<int32_t>& prompt, int64_t max_tokens,
                                           const WeightReader& model, const EvaluationHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_EVALUATE_GENERATE_H_
