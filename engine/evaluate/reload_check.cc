// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/reload_check.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/ends.h"
#include "engine/ops/call_torch.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// [length, vocab] fp32 on the CPU.
absl::StatusOr<at::Tensor> LogitsOf(const at::Tensor& state, const WeightReader& reader, bool narrows_head) {
  PIVOT_ASSIGN_OR_RETURN(HeadWeights head, reader.ReadHead());
  if (narrows_head) head.head.weight = RoundToFloat8(head.head.weight);
  const at::Tensor input = HeadInput(reader.config(), head, state);
  return ComputeHead(reader.config(), head, input)[0].to(at::kFloat).to(at::kCPU);
}

}  // namespace

absl::StatusOr<double> CompareWithReloaded(const MemoryTrace& trace, const WeightReader& original,
                                           const WeightReader& reloaded, const EvaluationHooks& hooks) {
  return CallTorch("comparing with the reloaded folder", [&]() -> absl::StatusOr<double> {
    const int64_t length = std::min(kReloadTokens, trace.tokens.size(1));
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor memory,
                           LogitsOf(trace.state.narrow(1, 0, length), original, trace.narrows_head));
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor found, ComputeLogits(trace.tokens.narrow(1, 0, length), reloaded, hooks));
    const at::Tensor expected = at::log_softmax(memory, 1);
    const at::Tensor difference = expected - at::log_softmax(found[0], 1);
    const auto kl = (expected.exp() * difference).sum(1).mean().item<double>();
    if (kl <= kMaxReloadKl) return kl;
    return WithReason(absl::DataLossError(absl::StrCat("the folder, opened again, is not the model that was in memory: "
                                                       "KL divergence ",
                                                       kl, " over ", length, " tokens")),
                      "RELOAD_DIFFERS");
  });
}

}  // namespace pivot
