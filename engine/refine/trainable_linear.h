// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_TRAINABLE_LINEAR_H_
#define PIVOT_ENGINE_REFINE_TRAINABLE_LINEAR_H_

// A quantized layer whose scales, and codes where that is wanted, follow the gradient of a loss.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "engine/checkpoint/quantized_linear.h"
#include "engine/refine/adam.h"

namespace pivot {

struct LearningRates {
  double codes = 0;   // in steps of the grid
  double scales = 0;  // as a fraction of each scale
};

/// Codes are learned as real numbers, the latents: code = round(latent), and a latent gets the gradient of its code as
/// if nothing were rounded. A latent stays within 1.49 of the code that it began as, so that a code moves by one at
/// most, and within 0.49 of the grid's ends. It begins where the original weight lies between the codes, at most 0.49
/// from the code.
///
/// Equation: W = s (round(u) - z), s = s0 (1 + t) rounded to what the file holds; dL/du = s dL/dW,
///           dL/dt = s0 sum over the group of dL/dW (round(u) - z).
/// Source:   the straight-through estimator, arXiv:1308.3432; learned scales, LSQ, arXiv:1902.08153; moves of one step
///           around GPTQ's codes, GSQ (2026).
/// Shapes:   u, W [out, in]; s, t, z [out, groups].
/// Dtypes:   u, s, t fp32.
class TrainableLinear {
 public:
  /// Whether `linear` can be one: integer codes, groups one after the other, nothing added.
  static bool Takes(const QuantizedLinear& linear);

  /// `original` [out, in], any floating dtype, on the device that `start` is moved to; undefined: codes stay as they
  /// are. Scales are rounded to `scale_digits` significant bits. May throw what ATen throws.
  TrainableLinear(const QuantizedLinear& start, const at::Tensor& original, int scale_digits, at::Device device);

  /// The weights as they are read from a file, [out, in], a leaf that wants a gradient. May throw what ATen throws.
  at::Tensor MakeWeight(at::ScalarType dtype);

  /// The n-th step along the gradient that the last weight has got; none where it has none (an expert without tokens).
  /// May throw what ATen throws.
  void Learn(const LearningRates& rates, int64_t n);

  /// What it is now, on its device. May throw what ATen throws.
  QuantizedLinear Rounded() const;

  /// Share of the codes that are not what they were at first. May throw what ATen throws.
  double MovedShare() const;

  /// What has been learned.
  struct State {
    at::Tensor latent;  // u less the first code, [out, in] fp16; undefined where codes stay as they are
    at::Tensor change;  // t, [out, groups] fp32
  };
  /// A copy. May throw what ATen throws.
  State Save() const;
  /// May throw what ATen throws.
  void Restore(const State& state);

  /// Forgets the moments of earlier steps, and the digits that Save leaves out.
  void Settle();

  Adam& scale_moments() { return scale_moments_; }

 private:
  at::Tensor Scale() const;   // s, [out, groups]
  at::Tensor Levels() const;  // round(u) - z, [out, groups, columns]
  void KeepInRange();

  QuantizedLinear start_;  // on the device
  int scale_digits_;
  at::Tensor latent_;
  at::Tensor change_;
  at::Tensor weight_;
  Adam code_moments_;
  Adam scale_moments_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_TRAINABLE_LINEAR_H_
