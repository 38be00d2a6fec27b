// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_GLOBAL_H_
#define PIVOT_ENGINE_REFINE_GLOBAL_H_

// The global stage of refinement: the scales of all layers learn together what the original model says of every next
// token.

#include "absl/status/statusor.h"

#include "engine/job_hooks.h"
#include "engine/refine/refine_input.h"

namespace pivot {

/// Minimises KL(original || quantized) over all positions of the calibration windows, temperature 1; codes stay. Each
/// step runs forward, keeps the streams between blocks, and goes back block by block, each run once more for its
/// gradient, so that the activations of one block at a time are in memory.
///
/// After each epoch the KL of windows that are not trained on is measured. The best state is what is written; an epoch
/// that is worse than the best ends the stage. Epochs that the journal has are not run again.
absl::StatusOr<RefineResult> RefineGlobally(const RefineInput& input, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_GLOBAL_H_
