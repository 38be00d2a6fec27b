// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_EXPERT_PASS_H_
#define PIVOT_ENGINE_CALIBRATION_EXPERT_PASS_H_

// The second half of a pass through a decoder block that has experts in the place of an MLP: block_pass.h.

#include "engine/calibration/block_pass.h"

namespace pivot {

/// Has gate and up of every expert quantized, then down of every expert on what the quantized gate and up make, and
/// moves both streams, which lie behind the attention, behind the block. `solver` may be null: the experts in
/// `quantized` stay as they are; the streams then get the same bits.
///
/// An expert's moments are over the tokens that the quantized stream sends to it. The original's inputs in them are
/// those of the same tokens, whatever experts the original stream sends them to: the original expert is evaluated
/// there. R is not gathered: the stream's error is that of the sum of all chosen experts, each times its share, and
/// every expert that made up for all of it would make it up several times. Experts with too few tokens:
/// expert_use.h. A group's use is told to the solver; for ExpertFallback::kRounding its moments are undefined.
///
/// May throw what ATen throws.
absl::Status PassExperts(const ModelConfig& config, const BlockWeights& original, BlockWeights& quantized,
                         const BlockPassOptions& options, const GroupSolver* solver, Streams& streams);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_EXPERT_PASS_H_
