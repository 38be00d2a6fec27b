// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_shapes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pivot {

bool HasBias(const ModelConfig& config, BiasKind kind) {
  switch (kind) {
    case BiasKind::kNone:
      return false;
    case BiasKind::kAlways:
      return true;
    case BiasKind::kAttentionBias:
      return config.attention_bias;
    case BiasKind::kMlpBias:
      return config.mlp_bias;
  }
  return false;
}

LinearShape ShapeOf(const ModelConfig& config, LinearRole role) {
  switch (role) {
    case LinearRole::kQuery:
      return {config.num_heads * config.head_dim, config.hidden_size};
    case LinearRole::kKey:
    case LinearRole::kValue:
      return {config.num_kv_heads * config.head_dim, config.hidden_size};
    case LinearRole::kAttentionOutput:
      return {config.hidden_size, config.num_heads * config.head_dim};
    case LinearRole::kGate:
    case LinearRole::kUp:
      return {config.intermediate_size, config.hidden_size};
    case LinearRole::kDown:
      return {config.hidden_size, config.intermediate_size};
    case LinearRole::kQueryKeyValue:
      return {(config.num_heads + 2 * config.num_kv_heads) * config.head_dim, config.hidden_size};
    case LinearRole::kGateUp:
      return {2 * config.intermediate_size, config.hidden_size};
    case LinearRole::kExpertGate:
    case LinearRole::kExpertUp:
      return {config.experts.intermediate_size, config.hidden_size};
    case LinearRole::kExpertDown:
      return {config.hidden_size, config.experts.intermediate_size};
    case LinearRole::kFound:
      break;
  }
  return {};
}

int64_t NormWidth(const ModelConfig& config, NormRole role) {
  const bool is_each = config.architecture->head_norm == HeadNorm::kEachHead;
  if (role == NormRole::kQuery) return is_each ? config.head_dim : config.num_heads * config.head_dim;
  if (role == NormRole::kKey) return is_each ? config.head_dim : config.num_kv_heads * config.head_dim;
  return config.hidden_size;
}

std::vector<NamedShape> NormTensors(const ModelConfig& config, int block) {
  const std::string prefix = BlockPrefix(*config.architecture, block);
  std::vector<NamedShape> tensors;
  for (const NormEntry& norm : config.architecture->norms) {
    const std::string module = prefix + std::string(norm.name);
    const bool is_there = std::any_of(tensors.begin(), tensors.end(),
                                      [&](const NamedShape& tensor) { return tensor.name == module + ".weight"; });
    if (is_there) continue;
    tensors.push_back({module + ".weight", {NormWidth(config, norm.role)}});
    if (config.architecture->norm == NormKind::kLayer) tensors.push_back({module + ".bias", tensors.back().shape});
  }
  return tensors;
}

std::vector<NamedShape> OuterTensors(const ModelConfig& config) {
  const Architecture& architecture = *config.architecture;
  if (config.found != nullptr) return {};
  std::vector<NamedShape> tensors = {{std::string(architecture.embedding), {config.vocab_size, config.hidden_size}}};
  if (!architecture.position_embedding.empty()) {
    tensors.push_back({std::string(architecture.position_embedding),
                       {config.max_positions + architecture.position_offset, config.hidden_size}});
  }
  tensors.push_back({absl::StrCat(architecture.final_norm, ".weight"), {config.hidden_size}});
  if (architecture.norm == NormKind::kLayer)
    tensors.push_back({absl::StrCat(architecture.final_norm, ".bias"), {config.hidden_size}});
  if (!config.tied_embeddings)
    tensors.push_back({std::string(architecture.head), {config.vocab_size, config.hidden_size}});
  if (architecture.head_has_bias)
    tensors.push_back({absl::StrCat(absl::StripSuffix(architecture.head, ".weight"), ".bias"), {config.vocab_size}});
  return tensors;
}

}  // namespace pivot
