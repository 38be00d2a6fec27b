// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/support/random_block.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "engine/model/block_linears.h"

namespace pivot {

ModelConfig SmallConfig() {
  return *ParseModelConfig(
      R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 256,
      "rms_norm_eps": 1e-5, "rope_theta": 10000.0})");
}

ModelConfig SmallMixture() {
  return *ParseModelConfig(
      R"({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 256,
      "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "num_local_experts": 5, "num_experts_per_tok": 2})");
}

BlockWeights RandomBlock(const ModelConfig& config, int64_t seed, at::ScalarType dtype) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  BlockWeights block;
  const auto normal = [&](int64_t features) { return 0.1 * at::randn({features}, generator); };
  for (const NormEntry& entry : config.architecture->norms) {
    const int64_t features = NormWidth(config, entry.role);
    const bool has_offset = config.architecture->norm == NormKind::kRmsOffset;
    block.norm(entry.role).weight = (1 + normal(features)).to(has_offset ? at::kFloat : dtype);
    if (config.architecture->norm == NormKind::kLayer) block.norm(entry.role).bias = normal(features).to(dtype);
  }
  if (config.has_experts(0)) {
    block.experts.resize(static_cast<size_t>(config.experts.count));
    block.router = (0.5 * at::randn({config.experts.count, config.hidden_size}, generator)).to(dtype);
  }
  for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, 0)) {
    block.linear(role, expert).weight = (0.1 * at::randn({shape.out_features, shape.in_features}, generator)).to(dtype);
  }
  return block;
}

}  // namespace pivot
