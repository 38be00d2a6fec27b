// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_WHOLE_MODEL_H_
#define PIVOT_ENGINE_REFINE_WHOLE_MODEL_H_

// A quantized model in memory, its scales to be learned all at once.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/forward/rotary.h"
#include "engine/refine/refine_input.h"
#include "engine/refine/teacher_loss.h"
#include "engine/refine/trainable_block.h"

namespace pivot {

/// Codes of all layers are on the device, an octet each, and what else the model has; of the original's linear layers
/// nothing.
class WholeModel {
 public:
  /// Reads the checkpoint of `input.from_folder`, and runs the original model over the windows meanwhile: what its
  /// stream is behind the last block is teacher(). May throw what ATen throws.
  static absl::StatusOr<WholeModel> Read(const RefineInput& input, const at::Tensor& windows, int64_t tile_windows,
                                         const std::function<bool()>& is_cancelled);

  /// Sum over positions of the KL of these windows, ids [count, length], teacher [count, length, hidden]. May throw
  /// what ATen throws.
  double Measure(const at::Tensor& ids, const at::Tensor& teacher);

  /// The n-th step over these windows, all at once; as Measure, before the step. May throw what ATen throws.
  double Step(const at::Tensor& ids, const at::Tensor& teacher, const LearningRates& rates, int64_t n);

  /// The stream behind the last block, [count, length, hidden]. May throw what ATen throws.
  at::Tensor Trace(const at::Tensor& ids);

  const at::Tensor& teacher() const { return teacher_; }
  std::vector<TrainableBlock>& blocks() { return blocks_; }

 private:
  WholeModel(const ModelConfig& config, RotaryTable rotary) : config_(&config), rotary_(std::move(rotary)) {}

  const ModelConfig* config_;
  RotaryTable rotary_;
  EmbeddingWeights embedding_;  // as the folder has it
  TeacherPair heads_;
  std::vector<TrainableBlock> blocks_;
  at::Tensor teacher_;  // [windows, length, hidden]
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_WHOLE_MODEL_H_
