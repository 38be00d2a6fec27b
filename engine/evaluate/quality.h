// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_EVALUATE_QUALITY_H_
#define PIVOT_ENGINE_EVALUATE_QUALITY_H_

// Perplexity of a model on a text, and its distance from the original.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/forward/weights.h"

namespace pivot {

struct Quality {
  double nll = 0;  // mean over predicted tokens, nats
  double perplexity = 0;
  int64_t tokens = 0;
  int64_t predicted = 0;
  int64_t windows = 0;
  std::optional<double> kl_mean;  // KL(reference || model), nats
  std::optional<double> kl_p99;
  std::optional<double> top1_agreement;
  ComputeDtype dtype = ComputeDtype::kFloat32;
  double seconds = 0;
};

/// The JSON form of pivot.v1.Quality.
nlohmann::json QualityToJson(const Quality& quality);

struct EvaluationHooks {
  std::function<bool()> is_cancelled;
  /// Blocks done and their number; the head counts as one.
  std::function<void(int done, int total)> progress;
};

struct Comparison {
  Quality model;
  std::optional<Quality> reference;  // of the reference itself, when there is one
  std::vector<double> window_kl;     // mean KL of each window, with a reference
};

/// Runs the windows through the model, and through the reference if that is not null, block by block, so that only one
/// block of each is in memory.
///
/// Definition: a window's first token is not predicted; sums over tokens in fp64; perplexity = exp(mean nll). KL and
/// top-1 agreement over
///             the same positions. Softmax in fp32 over logits in the reader's dtype.
/// Shapes:     windows [1, n] int64, n >= 2.
/// Errors:     kInvalidArgument when the vocabularies differ or a token is not in it; kCancelled.
absl::StatusOr<Comparison> MeasureQuality(const std::vector<at::Tensor>& windows, const WeightReader& model,
                                          const WeightReader* reference, const EvaluationHooks& hooks);

/// What the head reads of given tokens: tokens [batch, length] int64 -> [batch, length, hidden], compute dtype.
absl::StatusOr<at::Tensor> ComputeHeadInput(const at::Tensor& tokens, const WeightReader& model,
                                            const EvaluationHooks& hooks);

/// Logits of given tokens: tokens [batch, length] int64 -> [batch, length, vocab] fp32 on the CPU.
absl::StatusOr<at::Tensor> ComputeLogits(const at::Tensor& tokens, const WeightReader& model,
                                         const EvaluationHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_EVALUATE_QUALITY_H_
