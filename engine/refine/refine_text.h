// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_REFINE_TEXT_H_
#define PIVOT_ENGINE_REFINE_REFINE_TEXT_H_

// The windows that refinement reads: of the calibration text, and as many that the original model writes by itself.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/forward/weights.h"
#include "engine/job_hooks.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

struct RefineText {
  at::Tensor windows;    // [count, length] int64, the first of the calibration text
  int64_t held_out = 0;  // the last ones, of both kinds, that nothing is trained on; one at least
};

/// `calibration` [count, length] int64, two windows at least; `first_tokens` those that the tokenizer puts before every
/// text.
absl::StatusOr<RefineText> MakeRefineText(const WeightReader& source, const CompressSpec& spec,
                                          const at::Tensor& calibration, const std::vector<int64_t>& first_tokens,
                                          const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_REFINE_TEXT_H_
