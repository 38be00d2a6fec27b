// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_BLOCK_PASS_H_
#define PIVOT_ENGINE_CALIBRATION_BLOCK_PASS_H_

// Takes the calibration windows through one decoder block, gathers statistics at the inputs of its linear layers, and
// has each group of layers quantized before the parts that read its output run. Every part runs once.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "engine/calibration/expert_use.h"
#include "engine/calibration/input_statistics.h"
#include "engine/calibration/streams.h"
#include "engine/forward/block.h"
#include "engine/model/block_linears.h"

namespace pivot {

struct BlockPassOptions {
  /// Windows that one step of the forward pass and one partial sum of the statistics take. Part of what decides the
  /// bytes written.
  int64_t tile_windows = 1;
  /// Whether statistics of inputs whose output is added to the residual stream have the stream's error too.
  bool gathers_residual = true;
  /// Runs the first half of the MLP again for the quantized stream instead of keeping its hidden state, which is the
  /// largest tensor of a pass. The same bits, more arithmetic.
  bool recomputes_hidden = false;
  std::string prefix;  // of the layers' names, in messages
  /// Asked between tiles; true ends the pass with kCancelled.
  std::function<bool()> is_cancelled;
};

/// Layers that share an input, and where its moments are from when they are an expert's.
struct SolverGroup : BlockGroup {
  ExpertUse use;
};

/// Quantizes the layers of one group: replaces their weights in the given block. Moments are of the group's input;
/// undefined: round to nearest.
using GroupSolver =
    absl::FunctionRef<absl::Status(const SolverGroup& group, InputMoments moments, BlockWeights& quantized)>;

/// Moves both streams behind the block, the quantized one through layers as `solver` leaves them.
absl::Status CalibrateBlock(const ModelConfig& config, const BlockWeights& original, const RotaryTable& rotary,
                            const BlockPassOptions& options, GroupSolver solver, Streams& streams);

/// Moves both streams behind a block that is quantized already. The same bits as CalibrateBlock with a solver that gave
/// these weights.
absl::Status AdvanceBlock(const ModelConfig& config, const BlockWeights& original, const BlockWeights& quantized,
                          const RotaryTable& rotary, const BlockPassOptions& options, Streams& streams);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_BLOCK_PASS_H_
