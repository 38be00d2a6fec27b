// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/warm_up.h"

#include <ATen/ATen.h>
#include <optional>
#include <utility>

#include "engine/calibration/input_statistics.h"
#include "engine/ops/call_torch.h"
#include "engine/quantize/solve_group.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Large enough for the kernels of large matrices to be chosen.
constexpr int64_t kSize = 2048;
constexpr int64_t kHeadDim = 128;

/// Forward passes of bf16: products and attention.
void RunForward(const at::Tensor& tokens) {
  at::linear(tokens, tokens);
  const at::Tensor heads = tokens.view({1, kSize, -1, kHeadDim}).transpose(1, 2);
  at::scaled_dot_product_attention(heads, heads.narrow(1, 0, 4), heads.narrow(1, 0, 4), {}, 0.0, /*is_causal=*/true,
                                   std::nullopt, /*enable_gqa=*/true);
}

/// Two solutions: of a layer that reads the residual stream, and of one that writes to it.
absl::Status RunSolver(const at::Tensor& tokens, c10::Device device) {
  const at::Tensor original = tokens + 0.1 * at::randn_like(tokens);
  for (const bool writes : {false, true}) {
    InputStatistics statistics(kSize, CrossTerm::kGathered, device, writes ? tokens : at::Tensor());
    statistics.Add(tokens, original, writes ? original : at::Tensor());
    const std::vector<at::Tensor> weights = {tokens};
    PIVOT_RETURN_IF_ERROR(
        SolveGroup(weights, std::move(statistics).Finish(), WeightScheme(), QuantizeOptions()).status());
  }
  return absl::OkStatus();
}

}  // namespace

std::future<void> WarmUp(const ComputeDevice& device) {
  if (!device.device.is_cuda()) return {};
  return std::async(std::launch::async, [where = device.device] {
    CallTorchStatus("loading the GPU's libraries", [&]() -> absl::Status {
      const auto floats = at::TensorOptions().dtype(at::kFloat).device(where);
      const at::Tensor tokens = at::randn({kSize, kSize}, floats).to(at::kBFloat16);
      RunForward(tokens);
      return RunSolver(tokens, where);
    }).IgnoreError();
  });
}

}  // namespace pivot
