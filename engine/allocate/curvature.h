// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_ALLOCATE_CURVATURE_H_
#define PIVOT_ENGINE_ALLOCATE_CURVATURE_H_

// How much the loss bends with the outputs of each linear layer: one forward and one backward pass of the original
// model.

#include <ATen/core/Tensor.h>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/forward/weights.h"

namespace pivot {

/// Of a layer, by its role and expert (kNoExpert: none): the mean over tokens of the squared gradients of its outputs,
/// [out] fp32 on the device.
using BlockCurvature = std::map<std::pair<LinearRole, int>, at::Tensor>;

struct Curvature {
  std::vector<BlockCurvature> blocks;
  /// Residual stream before each block and behind the last, [windows, length, hidden], compute dtype, on the CPU.
  std::vector<at::Tensor> streams;
  /// Names the first layer whose curvature is not finite, or 0 everywhere; empty when all are good. An expert that no
  /// token was sent to has none, and is good.
  std::string defect;
};

/// Diagonal of the Fisher information of each output, block by block in reverse, each block's forward pass run again.
///
/// Definition: b_q = (1/T) sum_t (d L / d y_tq)^2 with L = -sum_t log p(z_t), z_t drawn from the model's own
///             prediction, so that E[b] bends the KL divergence and not the fit to the text: for a small change of W
///             the mean KL of a token is about 1/2 sum_q b_q dW_q A dW_q^T with A the mean of x x^T.
/// Source:     K-FAC, arXiv:1503.05671, sections 2 and 3. Differs: of the outputs' factor only the diagonal, since
///             rounding errors of different rows do not go together.
/// Shapes:     windows [n, length] int64 on the CPU.
/// Dtypes:     gradients in the reader's dtype, squares and sums fp32.
/// Errors:     kCancelled; what reading the weights gives.
/// Cost:       four forward passes; windows * length * hidden * (blocks + 1) numbers of host memory.
absl::StatusOr<Curvature> MeasureCurvature(const WeightReader& reader, const at::Tensor& windows, int64_t tile_windows,
                                           const std::function<bool()>& is_cancelled);

}  // namespace pivot

#endif  // PIVOT_ENGINE_ALLOCATE_CURVATURE_H_
