// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/output_layout.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

#include "engine/model/block_linears.h"

namespace pivot {
namespace {

/// Whether the tensor stands for the weight of a layer that has a scheme, plainly or in any layout.
bool IsQuantized(const ModelFolder& source, const ModelSchemes& schemes, absl::string_view tensor) {
  const Architecture& architecture = *source.config().architecture;
  absl::string_view rest = tensor;
  if (!absl::ConsumePrefix(&rest, architecture.block_prefix)) return false;
  const size_t dot = rest.find('.');
  int block = 0;
  if (dot == rest.npos || !absl::SimpleAtoi(rest.substr(0, dot), &block)) return false;
  if (block < 0 || block >= schemes.num_blocks()) return false;
  rest.remove_prefix(dot + 1);
  const size_t end = rest.rfind('.');
  if (end == rest.npos) return false;
  const auto role = FindLinear(source.config(), block, rest.substr(0, end));
  if (!role.has_value() || !schemes.at(block, *role).has_value()) return false;
  const auto stored = StoredTensorSuffixes();
  const absl::string_view suffix = rest.substr(end);
  return suffix == ".weight" || std::find(stored.begin(), stored.end(), suffix) != stored.end();
}

LinearStorage StorageOf(const WeightScheme& scheme, LinearShape shape, const StorageForm& form) {
  return {.layout = form.layout, .scheme = scheme.ForRow(shape.in_features), .scale_dtype = form.scale_dtype};
}

TensorSpec SpecOf(const TensorInfo& info) { return {.name = info.name, .dtype = info.dtype, .shape = info.shape}; }

}  // namespace

bool IsKept(const ModelFolder& source, const ModelSchemes& schemes, absl::string_view tensor) {
  const ModelConfig& config = source.config();
  if (config.tied_embeddings && tensor == config.architecture->head) return false;
  return !IsQuantized(source, schemes, tensor);
}

std::vector<OutputShard> OutputShards(const ModelFolder& source, const ModelSchemes& schemes, const StorageForm& form) {
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
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      const auto& scheme = schemes.at(block, role);
      if (!scheme.has_value()) continue;
      for (TensorSpec& spec : StoredTensors(module, shape, StorageOf(*scheme, shape, form))) {
        shards[static_cast<size_t>(block)].tensors.push_back(std::move(spec));
      }
    }
  }
  for (const auto& [name, location] : source.tensors()) {
    if (!IsKept(source, schemes, name)) continue;
    size_t shard = shards.size() - 1;
    for (size_t block = 0; block < prefixes.size(); ++block) {
      if (absl::StartsWith(name, prefixes[block])) shard = block;
    }
    shards[shard].tensors.push_back(SpecOf(*location.info));
    Dtype& dtype = shards[shard].tensors.back().dtype;
    if (form.kept_dtype.has_value()) dtype = *form.kept_dtype;
    if (IsNarrow(config, schemes.ends(), name)) dtype = Dtype::kFloat8E4M3;
    if (form.layout == CodeLayout::kPlainBf16 && dtype == Dtype::kFloat8E4M3) dtype = Dtype::kBfloat16;
  }
  return shards;
}

std::vector<OutputShard> MergeShards(std::vector<OutputShard> shards, int64_t shard_bytes) {
  std::vector<OutputShard> merged;
  int64_t room = 0;
  for (OutputShard& shard : shards) {
    int64_t bytes = 0;
    for (const TensorInfo& tensor : LayOutSafetensors(shard.tensors).tensors) bytes += tensor.bytes();
    if (merged.empty() || bytes > room) {
      merged.emplace_back();
      room = shard_bytes;
    }
    room -= bytes;
    std::move(shard.tensors.begin(), shard.tensors.end(), std::back_inserter(merged.back().tensors));
  }
  for (size_t i = 0; i < merged.size(); ++i) {
    merged[i].file_name = merged.size() == 1 ? "model.safetensors"
                                             : absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, merged.size());
  }
  return merged;
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
