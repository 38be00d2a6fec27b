// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/reload_check.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/ends.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/device.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Positions whose logits are in memory at once.
constexpr int64_t kRows = 32;

absl::StatusOr<HeadWeights> HeadInMemory(const WeightReader& original, bool narrows_head) {
  PIVOT_ASSIGN_OR_RETURN(HeadWeights head, original.ReadHead());
  if (narrows_head) head.head.weight = RoundToFloat8(head.head.weight);
  return head;
}

/// [rows, vocab] fp32, of positions [first, first + rows).
at::Tensor LogProbabilities(const ModelConfig& config, const HeadWeights& head, const at::Tensor& input,
                            int64_t first) {
  const int64_t rows = std::min(kRows, input.size(0) - first);
  return at::log_softmax(ComputeHead(config, head, input.narrow(0, first, rows)).to(at::kFloat), 1);
}

/// Mean over positions; inputs of the heads [length, hidden].
double MeanKl(const ModelConfig& config, const HeadWeights& memory, const at::Tensor& memory_input,
              const HeadWeights& folder, const at::Tensor& folder_input) {
  double sum = 0;
  for (int64_t first = 0; first < memory_input.size(0); first += kRows) {
    const at::Tensor expected = LogProbabilities(config, memory, memory_input, first);
    const at::Tensor difference = expected - LogProbabilities(config, folder, folder_input, first);
    sum += (expected.exp() * difference).sum(at::kDouble).item<double>();
  }
  return sum / static_cast<double>(memory_input.size(0));
}

}  // namespace

absl::StatusOr<double> CompareWithReloaded(const MemoryTrace& trace, const WeightReader& original,
                                           const WeightReader& reloaded, const EvaluationHooks& hooks) {
  return CallTorch("comparing with the reloaded folder", [&]() -> absl::StatusOr<double> {
    ReturnFreeMemory();  // what ran before needed other sizes
    const int64_t length = std::min(kReloadTokens, trace.tokens.size(1));
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor found,
                           ComputeHeadInput(trace.tokens.narrow(1, 0, length), reloaded, hooks));
    PIVOT_ASSIGN_OR_RETURN(const HeadWeights memory, HeadInMemory(original, trace.narrows_head));
    PIVOT_ASSIGN_OR_RETURN(const HeadWeights folder, reloaded.ReadHead());
    const at::Tensor input = HeadInput(original.config(), memory, trace.state.narrow(1, 0, length));
    const double kl = MeanKl(original.config(), memory, input[0], folder, found[0]);
    if (kl <= kMaxReloadKl) return kl;
    return WithReason(absl::DataLossError(absl::StrCat("the folder, opened again, is not the model that was in memory: "
                                                       "KL divergence ",
                                                       kl, " over ", length, " tokens")),
                      "RELOAD_DIFFERS");
  });
}

}  // namespace pivot
