// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/output_layout.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace pivot {
namespace {

bool IsQuantized(const ModelFolder& source, absl::string_view tensor) {
  const Architecture& architecture = *source.config().architecture;
  if (!absl::StartsWith(tensor, architecture.block_prefix)) return false;
  const absl::string_view rest = tensor.substr(architecture.block_prefix.size());
  const size_t dot = rest.find('.');
  if (dot == rest.npos) return false;
  for (const LinearEntry& linear : architecture.linears) {
    if (rest.substr(dot + 1) == absl::StrCat(linear.name, ".weight")) return true;
  }
  return false;
}

TensorSpec SpecOf(const TensorInfo& info) { return {.name = info.name, .dtype = info.dtype, .shape = info.shape}; }

}  // namespace

bool IsKept(const ModelFolder& source, absl::string_view tensor) {
  const ModelConfig& config = source.config();
  if (config.tied_embeddings && tensor == config.architecture->head) return false;
  return !IsQuantized(source, tensor);
}

std::vector<OutputShard> OutputShards(const ModelFolder& source, const WeightScheme& scheme) {
  const ModelConfig& config = source.config();
  const Architecture& architecture = *config.architecture;
  const int64_t count = config.num_blocks + 1;
  std::vector<OutputShard> shards;
  for (int64_t i = 0; i < count; ++i) {
    shards.push_back({.file_name = absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, count), .tensors = {}});
  }
  std::vector<std::string> prefixes;
  for (int block = 0; block < config.num_blocks; ++block) {
    prefixes.push_back(BlockPrefix(architecture, block));
    for (const LinearEntry& linear : architecture.linears) {
      for (TensorSpec& spec :
           PackedTensors(prefixes.back() + std::string(linear.name), ShapeOf(config, linear.role), scheme)) {
        shards[static_cast<size_t>(block)].tensors.push_back(std::move(spec));
      }
    }
  }
  for (const auto& [name, location] : source.tensors()) {
    if (!IsKept(source, name)) continue;
    size_t shard = shards.size() - 1;
    for (size_t block = 0; block < prefixes.size(); ++block) {
      if (absl::StartsWith(name, prefixes[block])) shard = block;
    }
    shards[shard].tensors.push_back(SpecOf(*location.info));
  }
  return shards;
}

std::string IndexJson(const std::vector<OutputShard>& shards) {
  int64_t total = 0;
  std::map<std::string, std::string> weight_map;
  for (const OutputShard& shard : shards) {
    for (const TensorInfo& tensor : LayOutSafetensors(shard.tensors).tensors) {
      total += tensor.bytes();
      weight_map[tensor.name] = shard.file_name;
    }
  }
  const nlohmann::ordered_json index{{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  return index.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace pivot
