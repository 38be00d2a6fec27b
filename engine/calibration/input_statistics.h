// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_
#define PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_

// What the solvers need to know about the inputs of a group of linear layers: second moments, gathered tile by tile.

#include <ATen/core/Tensor.h>
#include <cstdint>

namespace pivot {

enum class CrossTerm { kNone, kGathered };

/// Accumulates over tokens, with x̂ the quantized stream's input and x the original's:
///   Hessian:  H = (2/n) sum x̂ x̂ᵀ
///   Cross:    C = (2/n) sum (x - x̂) x̂ᵀ, gathered as sum x x̂ᵀ and the difference taken once at the end
/// Source: GPTQ, arXiv:2210.17323, section 3; QEP, arXiv:2504.09629.
/// Dtypes: tokens fp32 or bf16, sums fp32. A product of two bf16 values is exact in fp32.
/// Tiles are added in the order they come; the same tiles give the same bits on one device.
class InputStatistics {
 public:
  InputStatistics(int64_t in_features, CrossTerm cross, at::Device device);

  /// quantized [tokens, in_features]; original the same, or undefined without a cross term. May throw what ATen throws.
  void Add(const at::Tensor& quantized, const at::Tensor& original);

  int64_t num_tokens() const { return num_tokens_; }
  bool has_cross() const { return cross_.defined(); }

  /// [in, in] fp32, symmetric. May throw what ATen throws.
  at::Tensor Hessian() const;
  /// [in, in] fp32.
  at::Tensor Cross() const;

 private:
  at::Tensor gram_;   // sum x̂ x̂ᵀ; on the CPU only the blocks on and below the diagonal
  at::Tensor cross_;  // sum x x̂ᵀ, undefined without a cross term
  int64_t num_tokens_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_
