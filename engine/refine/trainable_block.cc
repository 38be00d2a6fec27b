// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/trainable_block.h"

#include <ATen/ATen.h>
#include <utility>

namespace pivot {
namespace {

constexpr char kLatent[] = ".latent";
constexpr char kChange[] = ".change";

}  // namespace

TrainableBlock::TrainableBlock(const ModelConfig& config, int block, const BlockWeights& original,
                               const QuantizedLinears& quantized, Learned learned, const CompressSpec& spec)
    : weights_(original) {
  for (BlockLinear& linear : BlockLinears(config, block)) {
    const auto found = quantized.find(linear.module);
    if (found == quantized.end()) continue;
    at::Tensor& weight = weights_.linear(linear.role, linear.expert).weight;
    if (TrainableLinear::Takes(found->second)) {
      const at::Tensor begin = learned == Learned::kScalesAndCodes ? weight : at::Tensor();
      linears_.try_emplace(linear.module, found->second, begin, spec.OptionsFor(found->second.scheme).scale_digits(),
                           weight.device());
      weight = at::empty({0}, weight.options());
    } else {
      fixed_[linear.module] = found->second;
      weight = Dequantize(found->second).to(weight.options());
    }
    places_[linear.module] = std::move(linear);
  }
}

BlockWeights TrainableBlock::MakeWeights() {
  BlockWeights weights = weights_;
  for (auto& [module, linear] : linears_) {
    const BlockLinear& place = places_.at(module);
    at::Tensor& weight = weights.linear(place.role, place.expert).weight;
    weight = linear.MakeWeight(weight.scalar_type());
  }
  return weights;
}

void TrainableBlock::Learn(const LearningRates& rates, int64_t n) {
  for (auto& [module, linear] : linears_) linear.Learn(rates, n);
}

QuantizedLinears TrainableBlock::Rounded() const {
  QuantizedLinears rounded = fixed_;
  for (const auto& [module, linear] : linears_) rounded[module] = linear.Rounded();
  return rounded;
}

BlockWeights TrainableBlock::RoundedWeights() const {
  BlockWeights weights = weights_;
  for (const auto& [module, linear] : linears_) {
    const BlockLinear& place = places_.at(module);
    at::Tensor& weight = weights.linear(place.role, place.expert).weight;
    weight = Dequantize(linear.Rounded()).to(weight.scalar_type());
  }
  return weights;
}

double TrainableBlock::MovedShare() const {
  double moved = 0;
  double all = 0;
  for (const auto& [module, linear] : linears_) {
    const LinearShape shape = places_.at(module).shape;
    const auto weights = static_cast<double>(shape.out_features * shape.in_features);
    moved += linear.MovedShare() * weights;
    all += weights;
  }
  return all > 0 ? moved / all : 0;
}

NamedTensors TrainableBlock::Save() const {
  NamedTensors state;
  for (const auto& [module, linear] : linears_) {
    const TrainableLinear::State saved = linear.Save();
    if (saved.latent.defined()) state[module + kLatent] = saved.latent;
    state[module + kChange] = saved.change;
  }
  return state;
}

void TrainableBlock::Restore(const NamedTensors& state) {
  for (auto& [module, linear] : linears_) {
    const auto latent = state.find(module + kLatent);
    linear.Restore(
        {.latent = latent == state.end() ? at::Tensor() : latent->second, .change = state.at(module + kChange)});
  }
}

void TrainableBlock::Settle() {
  for (auto& [module, linear] : linears_) linear.Settle();
}

}  // namespace pivot
