// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_WINDOW_TRAINING_H_
#define PIVOT_ENGINE_REFINE_WINDOW_TRAINING_H_

// Teaches a run of neighbouring decoder blocks to give the original model's residual stream.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "engine/forward/rotary.h"
#include "engine/refine/trainable_block.h"

namespace pivot {

/// Windows of text at both ends of the blocks. On the device, in the compute dtype.
struct StreamPair {
  at::Tensor input;     // [windows, length, hidden]: the quantized model's own stream before the first block
  at::Tensor target;    // [windows, length, hidden]: the original model's stream behind the last
  int64_t trained = 0;  // windows that are trained on; those behind them tell whether it has become better
};

struct TrainingOptions {
  int64_t steps = 0;
  int64_t step_windows = 1;
  LearningRates rates;
  uint64_t seed = 0;  // of the order of windows
  std::function<bool()> is_cancelled;
};

struct TrainingResult {
  double error_before = 0;  // StreamError over the windows that are not trained on
  double error_after = 0;
  bool is_kept = false;  // false: the blocks are what they were
};

/// Mean over tokens of the squared distance from the target, each divided by the token's own squared length.
///
/// Equation: mean over t of ||y_t - x_t||² / max(||x_t||², a tenth of the median of ||x||²). Tokens whose stream is
///           thousands of times as long as others' (the first of a window) would else be all that counts.
/// Shapes:   output, target [windows, length, hidden]; result a scalar, fp32. May throw what ATen throws.
at::Tensor StreamError(const at::Tensor& output, const at::Tensor& target);

/// Steps of Adam over windows in random order, the blocks' losses measured behind the last. Where that makes the error
/// of the other windows no smaller, the blocks are put back.
///
/// Source: BRECQ, arXiv:2102.05426; EfficientQAT's Block-AP, arXiv:2407.11062; windows of several blocks: CBQ,
///         arXiv:2312.07950.
/// Errors: kFailedPrecondition (NUMERICAL_FAILURE) when the error is not finite before the first step; kCancelled.
absl::StatusOr<TrainingResult> TrainBlocks(const ModelConfig& config, const RotaryTable& rotary,
                                           absl::Span<TrainableBlock* const> blocks, const StreamPair& streams,
                                           const TrainingOptions& options);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_WINDOW_TRAINING_H_
