// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_EXPERTS_H_
#define PIVOT_ENGINE_FORWARD_EXPERTS_H_

// A mixture of experts in the place of an MLP: which expert a token is sent to, and what becomes of it. Each function
// may throw what ATen throws. x is [tokens, hidden] in the compute dtype.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <vector>

#include "engine/forward/weights.h"

namespace pivot {

/// Tokens by the expert that they are sent to; of one expert in rising order, each once.
class Routing {
 public:
  /// Chooses the experts of each token.
  ///
  /// Equation: p = softmax(router x) over all experts; the per_token largest are chosen (of equals those that ATen's
  /// topk
  ///           takes); they are divided by their sum where ExpertsConfig::renormalizes says so.
  /// Source:   Qwen3MoeTopKRouter and MixtralTopKRouter of transformers 5.24.
  /// Shapes:   router [experts, hidden]; x [tokens, hidden].
  /// Dtypes:   the product in the compute dtype, the softmax and what follows in fp32.
  Routing(const ModelConfig& config, const at::Tensor& router, const at::Tensor& x);

  /// How many are sent to the expert.
  int64_t count(int expert) const {
    return first_[static_cast<size_t>(expert) + 1] - first_[static_cast<size_t>(expert)];
  }
  /// Their positions, [count] int64.
  at::Tensor tokens(int expert) const { return tokens_.narrow(0, first_[static_cast<size_t>(expert)], count(expert)); }
  /// What the expert's output for each is multiplied by, [count] fp32.
  at::Tensor shares(int expert) const { return shares_.narrow(0, first_[static_cast<size_t>(expert)], count(expert)); }

 private:
  at::Tensor tokens_;           // [tokens * per_token] int64, expert after expert
  at::Tensor shares_;           // [tokens * per_token] fp32
  std::vector<int64_t> first_;  // of each expert, and behind the last, into both
};

/// act(gate(x)) * up(x) of one expert: [tokens, intermediate].
at::Tensor ExpertHidden(const ModelConfig& config, const BlockWeights& weights, int expert, const at::Tensor& x);

/// Adds what the experts make of the MLP's input [batch, length, hidden] to the stream, in place. Experts are summed in
/// their order, so that equal inputs give equal bits.
void AddExperts(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& input, at::Tensor& stream);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_EXPERTS_H_
