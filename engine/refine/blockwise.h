// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_BLOCKWISE_H_
#define PIVOT_ENGINE_REFINE_BLOCKWISE_H_

// The block-wise stage of refinement: one pass over the decoder blocks of a quantized model, each learned together with
// the one behind it, then written to its shard and entered in the journal.

#include "absl/status/statusor.h"

#include "engine/job_hooks.h"
#include "engine/refine/refine_input.h"

namespace pivot {

/// Scales and codes of blocks k and k + 1 are trained for the original model's own stream behind k + 1, from the
/// quantized model's own stream before k. Block k is then finished; k + 1 is trained once more, with k + 2.
///
/// Blocks that the journal has are checked against their shards and only moved through. A block that is not better on
/// windows that are not trained on stays as it was.
absl::StatusOr<RefineResult> RefineBlocks(const RefineInput& input, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_BLOCKWISE_H_
