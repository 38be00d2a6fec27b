// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/experts.h"

#include <ATen/ATen.h>
#include <tuple>

#include "engine/forward/block.h"
#include "engine/forward/linear.h"
#include "engine/forward/norm.h"

namespace pivot {

Routing::Routing(const ModelConfig& config, const at::Tensor& router, const at::Tensor& x) {
  const ExpertsConfig& experts = config.experts;
  const at::Tensor probabilities = at::softmax(at::linear(x, router), -1, at::kFloat);
  auto [shares, chosen] = at::topk(probabilities, experts.per_token, -1);
  if (experts.renormalizes) shares = shares / shares.sum(-1, /*keepdim=*/true);
  // Stable: tokens of one expert keep their order.
  const at::Tensor slots = std::get<1>(at::sort(chosen.flatten(), /*stable=*/true, /*dim=*/0, /*descending=*/false));
  tokens_ = slots.div(experts.per_token, "floor");
  shares_ = shares.flatten().index_select(0, slots);
  const at::Tensor counts = at::bincount(chosen.flatten(), {}, experts.count).to(at::kCPU);
  first_.assign(1, 0);
  for (int64_t expert = 0; expert < experts.count; ++expert)
    first_.push_back(first_.back() + counts.const_data_ptr<int64_t>()[expert]);
}

at::Tensor ExpertHidden(const ModelConfig& config, const BlockWeights& weights, int expert, const at::Tensor& x) {
  return GatedHidden(config, weights.linear(LinearRole::kExpertGate, expert),
                     weights.linear(LinearRole::kExpertUp, expert), x);
}

void AddExperts(const ModelConfig& config, const BlockWeights& weights, const at::Tensor& input, at::Tensor& stream) {
  const at::Tensor x = input.reshape({-1, input.size(-1)});
  const Routing routing(config, weights.router, x);
  at::Tensor sum = at::zeros_like(x);
  for (int expert = 0; expert < static_cast<int>(weights.experts.size()); ++expert) {
    if (routing.count(expert) == 0) continue;
    const at::Tensor tokens = routing.tokens(expert);
    const at::Tensor hidden = ExpertHidden(config, weights, expert, x.index_select(0, tokens));
    const at::Tensor output = ApplyLinear(hidden, weights.linear(LinearRole::kExpertDown, expert));
    const at::Tensor shares = routing.shares(expert).unsqueeze(1).to(x.scalar_type());
    sum.index_add_(0, tokens, output * shares);
  }
  stream.add_(ApplyNorm(config, weights.norm(NormRole::kMlpOutput), sum.view(input.sizes())), config.residual_scale);
}

}  // namespace pivot
