// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/warm_up.h"

#include <ATen/ATen.h>
#include <optional>

#include "engine/ops/call_torch.h"

namespace pivot {
namespace {

// Large enough for the kernels of large matrices to be chosen.
constexpr int64_t kSize = 2048;

void UseLibraries(c10::Device device) {
  const auto floats = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor x = at::randn({kSize, kSize}, floats);
  const at::Tensor narrow = x.to(at::kBFloat16);
  at::linear(narrow, narrow);
  at::Tensor moment = at::eye(kSize, floats);
  at::addmm_out(moment, moment, narrow.t(), narrow, at::kFloat);
  const at::Tensor exact = moment.to(at::kDouble);
  const auto [lower, info] = at::linalg_cholesky_ex(exact);
  at::linalg_solve_triangular(lower, exact, /*upper=*/false);
  at::cholesky_solve(x, lower.to(at::kFloat));
  at::mm(exact, exact);
  at::mm(x, x);
  const at::Tensor heads = narrow.view({1, kSize, -1, 128}).transpose(1, 2);
  at::scaled_dot_product_attention(heads, heads.narrow(1, 0, 4), heads.narrow(1, 0, 4), {}, 0.0, /*is_causal=*/true,
                                   std::nullopt, /*enable_gqa=*/true);
  at::argsort(x.diagonal(), /*stable=*/true, 0, /*descending=*/true).to(at::kCPU);
}

}  // namespace

std::future<void> WarmUp(const ComputeDevice& device) {
  if (!device.device.is_cuda()) return {};
  return std::async(std::launch::async, [where = device.device] {
    CallTorchStatus("loading the GPU's libraries", [&] {
      UseLibraries(where);
      return absl::OkStatus();
    }).IgnoreError();
  });
}

}  // namespace pivot
