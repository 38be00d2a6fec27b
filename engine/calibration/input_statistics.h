// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_
#define PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_

// What the solvers need to know about the inputs of a group of linear layers: second moments, gathered tile by tile.

#include <ATen/core/Tensor.h>
#include <cstdint>

namespace pivot {

enum class CrossTerm { kNone, kGathered };

/// Accumulates over tokens, with x̂ the quantized stream's input and x the original's, r̂ and r the residual streams that
/// the layer's output is added to:
///   Hessian:     H = (2/n) sum x̂ x̂ᵀ
///   Cross:       C = (2/n) sum (x - x̂) x̂ᵀ
///   Difference:  D = (2/n) sum (x - x̂) (x - x̂)ᵀ
///   Residual:    R = (2/n) sum (r - r̂) x̂ᵀ
/// Source: GPTQ, arXiv:2210.17323, section 3; QEP, arXiv:2504.09629; R: LPCD, arXiv:2512.01546.
/// Dtypes: tokens fp32 or bf16, sums fp32. A product of two bf16 values is exact in fp32; on a GPU, and on a
/// CPU with AVX512_BF16, differences of bf16 values are rounded to bf16 first.
/// Tiles are added in the order they come; the same tiles give the same bits on one device.
class InputStatistics {
 public:
  InputStatistics(int64_t in_features, CrossTerm cross, at::Device device);

  /// quantized [tokens, in_features]; original the same, or undefined without a cross term; residual_error r - r̂
  /// [tokens, features of the stream], undefined when the output is not added to a stream: in every call or in none.
  /// May throw what ATen throws.
  void Add(const at::Tensor& quantized, const at::Tensor& original, const at::Tensor& residual_error);

  int64_t num_tokens() const { return num_tokens_; }
  bool has_cross() const { return cross_.defined(); }
  bool has_residual() const { return residual_.defined(); }

  /// [in, in] fp32, symmetric. May throw what ATen throws.
  at::Tensor Hessian() const;
  /// [in, in] fp32.
  at::Tensor Cross() const;
  /// [in, in] fp32, symmetric.
  at::Tensor Difference() const;
  /// [features of the stream, in] fp32.
  at::Tensor Residual() const;

 private:
  void AddPacked(const at::Tensor& quantized, const at::Tensor& original, const at::Tensor& residual_error);
  double Factor() const;

  at::Tensor gram_;        // sum x̂ x̂ᵀ; on the CPU only the blocks on and below the diagonal
  at::Tensor cross_;       // sum (x - x̂) x̂ᵀ, undefined without a cross term
  at::Tensor difference_;  // sum (x - x̂) (x - x̂)ᵀ, as gram_; undefined without a cross term
  at::Tensor residual_;    // sum (r - r̂) x̂ᵀ; undefined until it is added
  int64_t num_tokens_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_INPUT_STATISTICS_H_
