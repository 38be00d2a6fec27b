// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_SELF_TEXT_H_
#define PIVOT_ENGINE_REFINE_SELF_TEXT_H_

// Text that the original model writes by itself: what refinement is to be good at beside the calibration text, which
// is of one kind.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/evaluate/quality.h"
#include "engine/forward/weights.h"

namespace pivot {

struct SelfTextOptions {
  int64_t windows = 0;
  int64_t length = 0;                 // tokens of a window
  std::vector<int64_t> first_tokens;  // that the tokenizer puts before every text
  uint64_t seed = 0;
};

/// Windows [windows, length] int64 on the CPU, each of documents of 512 tokens, the last one cut. A document begins
/// with the first tokens and one drawn evenly from the vocabulary, and goes on with tokens drawn as the model has them
/// likely (temperature 1), also behind an end of text. The same device, options and model give the same text. All
/// weights are in memory at once.
///
/// Source: LLM-QAT, arXiv:2305.17888, section 2.1.
/// Errors: kCancelled.
absl::StatusOr<at::Tensor> WriteSelfText(const WeightReader& model, const SelfTextOptions& options,
                                         const EvaluationHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_SELF_TEXT_H_
