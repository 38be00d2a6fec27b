// SPDX-License-Identifier: Apache-2.0
#include "engine/model/block_linears.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/model/found_model.h"

namespace pivot {
namespace {

absl::string_view ExpertLinearName(const ExpertsEntry& experts, LinearRole role) {
  if (role == LinearRole::kExpertGate) return experts.gate;
  return role == LinearRole::kExpertUp ? experts.up : experts.down;
}

bool IsOfMlp(const LinearGroup& group) {
  return group.input == BlockInput::kMlp || group.input == BlockInput::kMlpHidden;
}

/// Whether a block with experts has the linear too.
bool IsBesideMlp(const Architecture& architecture, LinearRole role) {
  return std::any_of(architecture.groups.begin(), architecture.groups.end(), [role](const LinearGroup& group) {
    return !IsOfMlp(group) && std::find(group.members.begin(), group.members.end(), role) != group.members.end();
  });
}

const FoundBlock& FoundIn(const ModelConfig& config, int block) {
  return config.found->blocks[static_cast<size_t>(block)];
}

const BlockLinear& FoundLinear(const ModelConfig& config, int block, LinearRole role) {
  return FoundIn(config, block).linears[static_cast<size_t>(role) - static_cast<size_t>(LinearRole::kFound)];
}

std::vector<BlockLinear> Linears(const ModelConfig& config, int block, int num_experts) {
  if (config.found != nullptr) return FoundIn(config, block).linears;
  const Architecture& architecture = *config.architecture;
  std::vector<BlockLinear> linears;
  for (const LinearEntry& entry : architecture.linears) {
    if (config.has_experts(block) && !IsBesideMlp(architecture, entry.role)) continue;
    linears.push_back({.module = LinearModule(config, block, entry.role, kNoExpert),
                       .role = entry.role,
                       .shape = ShapeOf(config, entry.role),
                       .has_bias = HasBias(config, entry.bias)});
  }
  if (!config.has_experts(block)) return linears;
  for (int expert = 0; expert < num_experts; ++expert) {
    for (const LinearRole role : {LinearRole::kExpertGate, LinearRole::kExpertUp, LinearRole::kExpertDown}) {
      linears.push_back({.module = LinearModule(config, block, role, expert),
                         .role = role,
                         .expert = expert,
                         .shape = ShapeOf(config, role)});
    }
  }
  return linears;
}

/// One linear of each shape.
std::vector<BlockLinear> FoundShapes(const ModelConfig& config) {
  std::vector<BlockLinear> all;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockLinear& linear : FoundIn(config, block).linears) {
      const bool is_known =
          std::any_of(all.begin(), all.end(), [&](const BlockLinear& other) { return other.shape == linear.shape; });
      if (is_known) continue;
      all.push_back(linear);
      all.back().module = NameInBlock(config, block, linear.role);
    }
  }
  return all;
}

/// "7.gate_proj", the end of a module's name.
std::optional<LinearRole> FindExpertLinear(const ModelConfig& config, absl::string_view name) {
  const size_t dot = name.find('.');
  int expert = 0;
  if (dot == name.npos || !absl::SimpleAtoi(name.substr(0, dot), &expert)) return std::nullopt;
  if (expert < 0 || expert >= config.experts.count) return std::nullopt;
  for (const LinearRole role : {LinearRole::kExpertGate, LinearRole::kExpertUp, LinearRole::kExpertDown}) {
    if (name.substr(dot + 1) == ExpertLinearName(*config.architecture->experts, role)) return role;
  }
  return std::nullopt;
}

}  // namespace

std::vector<BlockLinear> BlockLinears(const ModelConfig& config, int block) {
  return Linears(config, block, static_cast<int>(config.experts.count));
}

std::vector<BlockLinear> DistinctLinears(const ModelConfig& config, int block) { return Linears(config, block, 1); }

std::vector<BlockLinear> ModelLinears(const ModelConfig& config) {
  if (config.found != nullptr) return FoundShapes(config);
  std::vector<BlockLinear> all;
  for (int block = 0; block < config.num_blocks; ++block) {
    const bool is_new_kind = block == 0 || config.has_experts(block) != config.has_experts(block - 1);
    if (!is_new_kind) continue;
    for (BlockLinear& linear : DistinctLinears(config, block)) {
      const bool is_known =
          std::any_of(all.begin(), all.end(), [&](const BlockLinear& other) { return other.role == linear.role; });
      if (is_known) continue;
      linear.module = linear.module.substr(BlockPrefix(*config.architecture, block).size());
      all.push_back(std::move(linear));
    }
  }
  return all;
}

std::string LinearModule(const ModelConfig& config, int block, LinearRole role, int expert) {
  if (config.found != nullptr) return FoundLinear(config, block, role).module;
  const Architecture& architecture = *config.architecture;
  const std::string prefix = BlockPrefix(architecture, block);
  if (expert == kNoExpert) return absl::StrCat(prefix, architecture.linear(role).name);
  return absl::StrCat(prefix, architecture.experts->prefix, expert, ".", ExpertLinearName(*architecture.experts, role));
}

std::string NameInBlock(const ModelConfig& config, int block, LinearRole role) {
  return LinearModule(config, block, role, kNoExpert).substr(BlockPrefix(*config.architecture, block).size());
}

LinearShape ShapeInBlock(const ModelConfig& config, int block, LinearRole role) {
  return config.found != nullptr ? FoundLinear(config, block, role).shape : ShapeOf(config, role);
}

std::optional<LinearRole> FindLinear(const ModelConfig& config, int block, absl::string_view name) {
  const Architecture& architecture = *config.architecture;
  if (config.found != nullptr) {
    const std::string module = absl::StrCat(BlockPrefix(architecture, block), name);
    const std::vector<BlockLinear>& linears = FoundIn(config, block).linears;
    const auto found =
        std::lower_bound(linears.begin(), linears.end(), module,
                         [](const BlockLinear& linear, const std::string& sought) { return linear.module < sought; });
    if (found == linears.end() || found->module != module) return std::nullopt;
    return found->role;
  }
  const bool has_experts = config.has_experts(block);
  if (has_experts && absl::ConsumePrefix(&name, architecture.experts->prefix)) return FindExpertLinear(config, name);
  for (const LinearEntry& entry : architecture.linears) {
    if (entry.name == name && (!has_experts || IsBesideMlp(architecture, entry.role))) return entry.role;
  }
  return std::nullopt;
}

std::vector<BlockGroup> SharedGroups(const ModelConfig& config, int block) {
  std::vector<BlockGroup> groups;
  if (config.found != nullptr) {
    for (const BlockLinear& linear : FoundIn(config, block).linears)
      groups.push_back({{.input = BlockInput::kAttention, .members = {linear.role}, .fused_name = ""}, kNoExpert});
    return groups;
  }
  for (const LinearGroup& group : config.architecture->groups) {
    if (!config.has_experts(block) || !IsOfMlp(group)) groups.push_back({group, kNoExpert});
  }
  return groups;
}

std::vector<BlockGroup> BlockGroups(const ModelConfig& config, int block) {
  std::vector<BlockGroup> groups = SharedGroups(config, block);
  if (!config.has_experts(block)) return groups;
  for (const LinearGroup& group : config.architecture->experts->groups) {
    for (int expert = 0; expert < config.experts.count; ++expert) groups.push_back({group, expert});
  }
  return groups;
}

std::optional<NamedShape> RouterTensor(const ModelConfig& config, int block) {
  if (!config.has_experts(block)) return std::nullopt;
  const Architecture& architecture = *config.architecture;
  return NamedShape{.name = absl::StrCat(BlockPrefix(architecture, block), architecture.experts->router, ".weight"),
                    .shape = {config.experts.count, config.hidden_size}};
}

std::vector<NamedShape> KeptTensors(const ModelConfig& config, int block) {
  std::vector<NamedShape> tensors = NormTensors(config, block);
  if (auto router = RouterTensor(config, block); router.has_value()) tensors.push_back(*std::move(router));
  return tensors;
}

}  // namespace pivot
