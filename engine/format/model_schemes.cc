// SPDX-License-Identifier: Apache-2.0
#include "engine/format/model_schemes.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "engine/model/block_linears.h"
#include "engine/model/found_model.h"
#include "engine/model/wrapped_decoder.h"

namespace pivot {
namespace {

/// "self_attn.q_proj" -> {"self_attn", "q_proj"}; "fc1" -> {"", "fc1"}.
std::pair<std::string, std::string> SplitModule(absl::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return {"", std::string(name)};
  return {std::string(name.substr(0, dot)), std::string(name.substr(dot + 1))};
}

/// Children of a parent module, in the order of the table.
struct Children {
  std::string parent;
  std::vector<std::string> names;
};

// As vLLM looks for the scheme of experts, whatever a family calls their layers.
constexpr std::array<absl::string_view, 3> kServedExpertNames = {"gate_proj", "up_proj", "down_proj"};

/// Names of the experts' layers that have the scheme.
std::vector<std::string> ExpertNamesWith(const ModelConfig& config, const ModelSchemes& schemes, int block,
                                         const std::optional<WeightScheme>& scheme) {
  const ExpertsEntry& experts = *config.architecture->experts;
  const std::array<absl::string_view, 3> own = {experts.gate, experts.up, experts.down};
  std::vector<std::string> names;
  for (const auto& all : {own, kServedExpertNames}) {
    for (size_t i = 0; i < all.size(); ++i) {
      const auto role = static_cast<LinearRole>(static_cast<size_t>(LinearRole::kExpertGate) + i);
      const bool is_known = std::find(names.begin(), names.end(), all[i]) != names.end();
      if (!is_known && schemes.at(block, role) == scheme) names.emplace_back(all[i]);
    }
  }
  return names;
}

/// The layers of one block that have the scheme, by parent module.
std::vector<Children> ChildrenWith(const ModelConfig& config, const ModelSchemes& schemes, int block,
                                   const std::optional<WeightScheme>& scheme) {
  std::vector<Children> found;
  const auto add = [&found](absl::string_view name) {
    auto [parent, child] = SplitModule(name);
    auto entry = std::find_if(found.begin(), found.end(), [&p = parent](const Children& c) { return c.parent == p; });
    if (entry == found.end()) entry = found.insert(found.end(), {parent, {}});
    entry->names.push_back(std::move(child));
  };
  for (const BlockGroup& group : SharedGroups(config, block)) {
    bool all = true;
    for (const LinearRole role : group.members) {
      const bool has = schemes.at(block, role) == scheme;
      if (has) add(NameInBlock(config, block, role));
      all = all && has;
    }
    if (all && !group.fused_name.empty()) add(group.fused_name);
  }
  if (config.found != nullptr && !scheme.has_value()) {
    for (const std::string& name : config.found->blocks[static_cast<size_t>(block)].plain) add(name);
  }
  if (!config.has_experts(block)) return found;
  const Architecture& architecture = *config.architecture;
  std::vector<std::string> names = ExpertNamesWith(config, schemes, block, scheme);
  // One expression for all experts: "mlp.experts.\d+".
  if (!names.empty()) found.push_back({absl::StrCat(architecture.experts->prefix, "\\d+"), std::move(names)});
  if (!scheme.has_value()) add(architecture.experts->router);
  return found;
}

}  // namespace

ModelSchemes::ModelSchemes(const ModelConfig& config) {
  for (int block = 0; block < config.num_blocks; ++block) {
    const size_t found = config.found == nullptr ? 0 : config.found->blocks[static_cast<size_t>(block)].linears.size();
    blocks_.emplace_back(kNumLinearRoles + found);
  }
}

ModelSchemes ModelSchemes::Uniform(const ModelConfig& config, const WeightScheme& scheme) {
  ModelSchemes schemes(config);
  for (int block = 0; block < schemes.num_blocks(); ++block) {
    for (const BlockLinear& linear : DistinctLinears(config, block)) schemes.Set(block, linear.role, scheme);
  }
  return schemes;
}

std::vector<WeightScheme> ModelSchemes::Distinct() const {
  std::vector<std::pair<WeightScheme, int>> counts;
  for (const auto& block : blocks_) {
    for (const std::optional<WeightScheme>& scheme : block) {
      if (!scheme.has_value()) continue;
      auto found =
          std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == *scheme; });
      if (found == counts.end()) found = counts.insert(counts.end(), {*scheme, 0});
      ++found->second;
    }
  }
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<WeightScheme> distinct;
  distinct.reserve(counts.size());
  for (const auto& [scheme, count] : counts) distinct.push_back(scheme);
  return distinct;
}

int ModelSchemes::WidestBits() const {
  int widest = 0;
  for (const WeightScheme& scheme : Distinct()) widest = std::max(widest, scheme.bits);
  return widest;
}

std::vector<std::string> LayerExpressions(const ModelConfig& config, const ModelSchemes& schemes,
                                          const std::optional<WeightScheme>& scheme) {
  const Architecture& architecture = *config.architecture;
  // (parent, alternatives) -> blocks, in the order in which they are met.
  std::vector<std::pair<std::pair<std::string, std::string>, std::vector<int>>> sets;
  for (int block = 0; block < schemes.num_blocks(); ++block) {
    for (const Children& children : ChildrenWith(config, schemes, block, scheme)) {
      const std::pair key(children.parent, absl::StrJoin(children.names, "|"));
      auto found = std::find_if(sets.begin(), sets.end(), [&key](const auto& entry) { return entry.first == key; });
      if (found == sets.end()) found = sets.insert(sets.end(), {key, {}});
      found->second.push_back(block);
    }
  }
  std::string container = SplitModule(absl::StripSuffix(architecture.block_prefix, ".")).second;
  // Towers have layers of the same names.
  if (config.wrapped != nullptr) container.insert(0, absl::StrCat(config.wrapped->module, "\\.(model\\.)?"));
  std::vector<std::string> expressions;
  for (const auto& [key, blocks] : sets) {
    const bool is_everywhere = blocks.size() == static_cast<size_t>(schemes.num_blocks());
    expressions.push_back(absl::StrCat(
        ".*", container, "\\.", is_everywhere ? "\\d+" : absl::StrCat("(", absl::StrJoin(blocks, "|"), ")"), "\\.",
        absl::StrReplaceAll(key.first, {{".", "\\."}}), key.first.empty() ? "(" : "\\.(", key.second, ")$"));
  }
  if (config.wrapped != nullptr && !scheme.has_value()) {
    for (const std::string& module : config.wrapped->outside)
      expressions.push_back(absl::StrCat("(.*\\.)?", module, "(\\..*)?$"));
  }
  if (config.found != nullptr && !scheme.has_value()) {
    for (const std::string& module : config.found->outside)
      expressions.push_back(absl::StrCat(".*", absl::StrReplaceAll(module, {{".", "\\."}}), "$"));
  }
  return expressions;
}

}  // namespace pivot
