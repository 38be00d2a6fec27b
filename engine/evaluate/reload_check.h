// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_EVALUATE_RELOAD_CHECK_H_
#define PIVOT_ENGINE_EVALUATE_RELOAD_CHECK_H_

// Whether a folder, opened like anyone's, is the model that was in memory when it was written.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

#include "engine/evaluate/quality.h"
#include "engine/forward/weights.h"

namespace pivot {

/// Tokens that are compared at most.
inline constexpr int64_t kReloadTokens = 256;

/// Largest mean KL divergence, nats, that other sizes of matrix products explain in bf16; a layer in the wrong place
/// gives thousands of times as much.
inline constexpr double kMaxReloadKl = 1e-3;

/// What the model in memory made of a text.
struct MemoryTrace {
  at::Tensor tokens;          // [1, length] int64; undefined when nothing ran
  at::Tensor state;           // [1, length, hidden] compute dtype: the residual stream behind the last block
  bool narrows_head = false;  // whether the folder has the head in 8-bit floats
};

/// KL(memory || folder) of the next token, mean over the first kReloadTokens tokens. Final norm and head of the model
/// in memory are the original's, the head narrowed where it is. Errors: kDataLoss (reason RELOAD_DIFFERS) above
/// kMaxReloadKl, or when it is not finite; kCancelled.
absl::StatusOr<double> CompareWithReloaded(const MemoryTrace& trace, const WeightReader& original,
                                           const WeightReader& reloaded, const EvaluationHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_EVALUATE_RELOAD_CHECK_H_
