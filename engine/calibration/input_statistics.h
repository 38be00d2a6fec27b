// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_
#define PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_

// What the solvers need to know about the inputs of a group of linear layers: second moments, gathered tile by tile.

#include <ATen/core/Tensor.h>
#include <cstdint>

namespace pivot {

/// Over n tokens, with x̂ the quantized stream's input and x the original's, r̂ and r the residual streams that the
/// layer's output is added to. Undefined: not gathered. All fp32.
struct InputMoments {
  at::Tensor hessian;     // H = (2/n) sum x̂ x̂ᵀ, [in, in], symmetric
  at::Tensor cross;       // C = (2/n) sum (x - x̂) x̂ᵀ, [in, in]
  at::Tensor difference;  // D = (2/n) sum (x - x̂) (x - x̂)ᵀ, [in, in], symmetric; with cross, or instead:
  at::Tensor drift;       // (2/n) sum (w · (x - x̂))² of each row w of a weight, [out]: w D wᵀ
  at::Tensor residual;    // R = (2/n) sum (r - r̂) x̂ᵀ, [features of the stream, in]
  int64_t num_tokens = 0;
};

/// Whether a moment [in, in] or a drift is free of values that are not finite, which its diagonal has wherever it has
/// any. True of an undefined one. May throw what ATen throws.
bool IsFinite(const at::Tensor& moment);

/// IsFinite of hessian, difference and drift.
bool AreFinite(const InputMoments& moments);

enum class CrossTerm { kNone, kGathered };

/// Accumulates InputMoments.
///
/// Source: GPTQ, arXiv:2210.17323, section 3; QEP, arXiv:2504.09629; R: LPCD, arXiv:2512.01546.
/// Dtypes: tokens fp32 or bf16, sums fp32. A product of two bf16 values is exact in fp32; on a GPU, and on a
/// CPU with AVX512_BF16, differences of bf16 values are rounded to bf16 first.
/// Tiles are added in the order they come; the same tiles give the same bits on one device.
class InputStatistics {
 public:
  /// `drift_weight` [out, in], when it is defined, is the only weight that D is wanted for: then the drift is gathered.
  InputStatistics(int64_t in_features, CrossTerm cross, at::Device device, at::Tensor drift_weight = {});

  /// quantized [tokens, in_features]; original the same, or undefined without a cross term; residual_error r - r̂
  /// [tokens, features of the stream], undefined when the output is not added to a stream: in every call or in none.
  /// May throw what ATen throws.
  void Add(const at::Tensor& quantized, const at::Tensor& original, const at::Tensor& residual_error);

  /// The moments of all that was added; takes no more memory than the sums did. May throw what ATen throws.
  InputMoments Finish() &&;

 private:
  void AddPacked(const at::Tensor& quantized, const at::Tensor& original, const at::Tensor& residual_error);
  void AddDrift(const at::Tensor& difference);

  at::Tensor drift_weight_;
  InputMoments sums_;  // without the factor 2/n; of symmetric ones the blocks on and below the diagonal
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_
