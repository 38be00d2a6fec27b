// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/plan_rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

#include "engine/model/block_linears.h"
#include "engine/model/json.h"
#include "engine/plan/end_rules.h"
#include "engine/plan/module_pattern.h"
#include "engine/plan/spec_fields.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int64_t kSchema = 1;
constexpr size_t kMostRules = 10'000;
constexpr size_t kMostMatches = size_t{1} << 24;
constexpr int64_t kWholeRow = -1;
// Far beyond any row; exact as a double.
constexpr double kMostColumns = 1e12;
constexpr std::array<absl::string_view, 5> kRuleKeys = {"match", "bits", "group_size", "keep", "method"};

absl::Status Problem(absl::string_view what, absl::string_view problem) {
  return InvalidSpec("plan_rules", absl::StrCat(what, " ", problem));
}

struct Layer {
  int block;
  BlockLinear linear;
  std::optional<WeightScheme> scheme;
  int entry = -1;  // of the list, that gave it the scheme; -1: none
};

/// A list's entries, as messages call them.
using EntryNames = std::vector<std::string>;

/// What the entries of a file have said so far.
struct Drafted {
  EntryNames names;
  std::vector<Layer> layers;
  NarrowEnds ends;
};

std::vector<Layer> LayersOf(const ModelConfig& config, const std::optional<WeightScheme>& scheme) {
  std::vector<Layer> layers;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (BlockLinear& linear : BlockLinears(config, block)) layers.push_back({block, std::move(linear), scheme});
  }
  return layers;
}

std::string DescribeScheme(const std::optional<WeightScheme>& scheme) {
  if (!scheme.has_value()) return "none (it is kept)";
  if (scheme->group_size == 0) return absl::StrCat(scheme->bits, " bits with a scale for each row");
  return absl::StrCat(scheme->bits, " bits in groups of ", scheme->group_size);
}

/// "4 bits in groups of 128 by rules[3]".
std::string DescribeLayer(const Layer& layer, const EntryNames& names) {
  if (layer.entry >= 0)
    return absl::StrCat(DescribeScheme(layer.scheme), " by ", names[static_cast<size_t>(layer.entry)]);
  return absl::StrCat(DescribeScheme(layer.scheme), layer.scheme.has_value() ? " as the job has it" : "");
}

/// Numbers of an entry may be written as "4.0".
absl::StatusOr<std::optional<int64_t>> WholeNumber(JsonFields& fields, absl::string_view key, absl::string_view what) {
  const std::optional<double> number = fields.OptionalNumber(key);
  if (!fields.status().ok()) return InvalidSpec("plan_rules", fields.status().message());
  if (!number.has_value()) return std::nullopt;
  if (*number != std::floor(*number) || std::abs(*number) > kMostColumns)
    return Problem(what, absl::StrCat("has ", key, " ", *number, "; allowed: whole numbers"));
  return static_cast<int64_t>(*number);
}

/// `base` with an entry's numbers.
absl::StatusOr<WeightScheme> ReadScheme(JsonFields& fields, const WeightScheme& base, absl::string_view what) {
  PIVOT_ASSIGN_OR_RETURN(const std::optional<int64_t> bits, WholeNumber(fields, "bits", what));
  PIVOT_ASSIGN_OR_RETURN(std::optional<int64_t> group_size, WholeNumber(fields, "group_size", what));
  if (group_size == kWholeRow) group_size = 0;
  const bool is_as_base =
      bits.value_or(base.bits) == base.bits && group_size.value_or(base.group_size) == base.group_size;
  if (!base.is_integer() && !is_as_base) {
    return Problem(what, absl::StrCat("must leave bits and group_size out: all layers of ", CodeTypeName(base.type),
                                      " have ", DescribeScheme(base)));
  }
  WeightScheme scheme = base;
  if (bits.has_value()) {
    if (*bits < kMinBits || *bits > kMaxBits)
      return Problem(what, absl::StrCat("has bits ", *bits, "; allowed: ", kMinBits, " to ", kMaxBits));
    if (!base.is_symmetric() && *bits != 4 && *bits != 8)
      return Problem(what, absl::StrCat("has bits ", *bits, "; asymmetric layers have 4 or 8, which loaders read"));
    scheme.bits = static_cast<int>(*bits);
  }
  if (group_size.has_value()) {
    if (*group_size < 0) {
      return Problem(what, absl::StrCat("has group_size ", *group_size,
                                        "; allowed: divisors of the layer's columns, or -1 for the whole row"));
    }
    scheme.group_size = *group_size;
  }
  return scheme;
}

absl::Status CheckText(JsonFields& fields, absl::string_view key, absl::string_view jobs, absl::string_view what) {
  const std::string text = fields.OptionalText(key).value_or(std::string(jobs));
  if (!fields.status().ok()) return InvalidSpec("plan_rules", fields.status().message());
  if (text == jobs) return absl::OkStatus();
  return Problem(what, absl::StrCat("has ", key, " \"", text, "\"; this job's layers all have \"", jobs, "\""));
}

/// What a rule says of the layers that it matches.
absl::StatusOr<std::optional<WeightScheme>> ReadRule(const json& rule, const WeightScheme& base, Method method,
                                                     absl::string_view what) {
  for (const auto& [key, value] : rule.items()) {
    if (!absl::c_linear_search(kRuleKeys, key)) {
      return Problem(what, absl::StrCat("has the key \"", key, "\"; allowed: ", absl::StrJoin(kRuleKeys, ", ")));
    }
  }
  if (rule.size() < 2) return Problem(what, "says nothing of what it matches: give it bits, group_size or keep");
  JsonFields fields(rule, what);
  PIVOT_ASSIGN_OR_RETURN(const WeightScheme scheme, ReadScheme(fields, base, what));
  if (rule.contains("group_size") && scheme.group_size == 0 && rule["group_size"] == 0)
    return Problem(what, "has group_size 0; allowed: divisors of the layer's columns, or -1 for the whole row");
  PIVOT_RETURN_IF_ERROR(CheckText(fields, "method", MethodName(method), what));
  const bool keeps = fields.BooleanOr("keep", false);
  if (!fields.status().ok()) return InvalidSpec("plan_rules", fields.status().message());
  if (!keeps) return scheme;
  if (rule.contains("bits") || rule.contains("group_size"))
    return Problem(what, "keeps its layers and gives them bits or group_size: one of them");
  return std::nullopt;
}

absl::Status ApplyRule(const json& rule, const WeightScheme& base, Method method, int entry, EntryNames& names,
                       std::vector<Layer>& layers) {
  std::string what = absl::StrCat("rules[", entry, "]");
  if (!rule.is_object() || !rule.contains("match") || !rule["match"].is_string())
    return Problem(what, "is no object with a text \"match\"");
  const auto& text = rule["match"].get_ref<const std::string&>();
  const auto pattern = ModulePattern::Parse(text);
  if (!pattern.ok()) return Problem(what, absl::StrCat("has a \"match\" that ", pattern.status().message()));
  absl::StrAppend(&what, " (\"", text, "\")");
  names.push_back(what);
  PIVOT_ASSIGN_OR_RETURN(const std::optional<WeightScheme> scheme, ReadRule(rule, base, method, what));
  bool matches_any = false;
  for (Layer& layer : layers) {
    const auto matches = pattern->Matches(layer.linear.module);
    if (!matches.ok()) return Problem(what, matches.status().message());
    if (!*matches) continue;
    matches_any = true;
    layer.scheme = scheme;
    layer.entry = entry;
  }
  if (matches_any) return absl::OkStatus();
  return Problem(what, absl::StrCat("matches no linear layer of the model's blocks; the first of its ", layers.size(),
                                    " is ", layers.front().linear.module));
}

absl::Status ApplyRules(const ModelConfig& config, const json& rules, const WeightScheme& base, Method method,
                        Drafted& draft) {
  auto& [names, layers, ends] = draft;
  const size_t most = std::min(kMostRules, kMostMatches / layers.size());
  if (rules.size() > most)
    return Problem("rules", absl::StrCat("are ", rules.size(), "; allowed for ", layers.size(), " layers: ", most));
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string what = absl::StrCat("rules[", i, "]");
    PIVOT_ASSIGN_OR_RETURN(const bool is_taken, TakeEndEntry(config, rules[i], "match", what, ends));
    if (is_taken) names.push_back(what);
    if (!is_taken) PIVOT_RETURN_IF_ERROR(ApplyRule(rules[i], base, method, static_cast<int>(i), names, layers));
  }
  return absl::OkStatus();
}

absl::Status ApplyModules(const ModelConfig& config, const json& modules, const WeightScheme& base, Method method,
                          Drafted& draft) {
  auto& [names, layers, ends] = draft;
  std::map<absl::string_view, Layer*> layer_of;
  for (Layer& layer : layers) layer_of.emplace(layer.linear.module, &layer);
  for (const json& module : modules) {
    const auto entry = static_cast<int>(names.size());
    names.push_back(absl::StrCat("modules[", entry, "]"));
    const std::string& what = names.back();
    PIVOT_ASSIGN_OR_RETURN(const bool is_taken, TakeEndEntry(config, module, "name", what, ends));
    if (is_taken) continue;
    JsonFields fields(module, what);
    const std::string name = fields.Text("name");
    fields.Number("bits");
    fields.Number("group_size");
    if (!fields.status().ok()) return InvalidSpec("plan_rules", fields.status().message());
    const auto found = layer_of.find(name);
    if (found == layer_of.end())
      return Problem(what, absl::StrCat("is \"", name, "\", which is no linear layer of the model's blocks"));
    Layer& layer = *found->second;
    if (layer.entry >= 0)
      return Problem(what, absl::StrCat("is \"", name, "\", as ", names[static_cast<size_t>(layer.entry)], " is"));
    layer.entry = entry;
    if (fields.OptionalText("type") == "kept") continue;
    PIVOT_RETURN_IF_ERROR(CheckText(fields, "type", CodeTypeName(base.type), what));
    PIVOT_RETURN_IF_ERROR(CheckText(fields, "method", MethodName(method), what));
    PIVOT_ASSIGN_OR_RETURN(layer.scheme, ReadScheme(fields, base, what));
  }
  return absl::OkStatus();
}

absl::Status CheckGroupSizes(const std::vector<Layer>& layers, const EntryNames& names) {
  for (const Layer& layer : layers) {
    if (!layer.scheme.has_value()) continue;
    const int64_t in_features = layer.linear.shape.in_features;
    if (in_features % layer.scheme->ForRow(in_features).group_size == 0) continue;
    return Problem(layer.linear.module,
                   absl::StrCat("has ", DescribeLayer(layer, names), "; allowed: groups that divide its ", in_features,
                                " columns, or -1 for the whole row"));
  }
  return absl::OkStatus();
}

/// Names the two layers that differ.
absl::Status CheckAlike(const std::vector<const Layer*>& layers, const EntryNames& names, absl::string_view why) {
  for (const Layer* layer : layers) {
    const Layer& first = *layers.front();
    if (layer->scheme == first.scheme) continue;
    return Problem(first.linear.module,
                   absl::StrCat("has ", DescribeLayer(first, names), ", ", layer->linear.module, " has ",
                                DescribeLayer(*layer, names), "; they must be alike: ", why));
  }
  return absl::OkStatus();
}

/// `layers` are all of one block.
absl::Status CheckBlock(const ModelConfig& config, absl::Span<const Layer> layers, const EntryNames& names) {
  const auto those = [&](const auto& belongs) {
    std::vector<const Layer*> found;
    for (const Layer& layer : layers) {
      if (belongs(layer.linear)) found.push_back(&layer);
    }
    return found;
  };
  if (config.found != nullptr) {
    return CheckAlike(those([](const BlockLinear&) { return true; }), names,
                      "of an architecture that is not supported nobody knows which layers of a block serving runtimes "
                      "load as one");
  }
  for (const BlockGroup& group : SharedGroups(config, layers.front().block)) {
    const auto members = those([&](const BlockLinear& linear) {
      return linear.expert == kNoExpert && absl::c_linear_search(group.members, linear.role);
    });
    PIVOT_RETURN_IF_ERROR(CheckAlike(members, names, "serving runtimes load them as one layer"));
  }
  return CheckAlike(those([](const BlockLinear& linear) { return linear.expert != kNoExpert; }), names,
                    "serving runtimes have one scheme for all experts of a block");
}

}  // namespace

absl::StatusOr<ModelSchemes> SchemesOf(const ModelConfig& config, const WeightScheme& base, Method method,
                                       const json& file) {
  JsonFields fields(file, "file");
  const int64_t schema = fields.Integer("schema");
  if (!fields.status().ok()) return InvalidSpec("plan_rules", fields.status().message());
  if (schema != kSchema) return Problem("file", absl::StrCat("has schema ", schema, "; allowed: ", kSchema));
  const bool has_rules = file.contains("rules");
  if (has_rules == file.contains("modules") || !file[has_rules ? "rules" : "modules"].is_array())
    return Problem("file", "must have one list, \"rules\" or \"modules\"");
  if (has_rules && file.size() > 2) return Problem("file", "has other keys than \"schema\" and \"rules\"");

  Drafted draft{.layers = LayersOf(config, has_rules ? std::optional(base) : std::nullopt)};
  const auto& [names, layers, ends] = draft;
  if (layers.empty()) return Problem("file", "is of no use: the model has no linear layers");
  PIVOT_RETURN_IF_ERROR(has_rules ? ApplyRules(config, file["rules"], base, method, draft)
                                  : ApplyModules(config, file["modules"], base, method, draft));
  PIVOT_RETURN_IF_ERROR(CheckGroupSizes(layers, names));
  for (auto first = layers.cbegin(); first != layers.cend();) {
    const auto last =
        std::find_if(first, layers.cend(), [&](const Layer& layer) { return layer.block != first->block; });
    PIVOT_RETURN_IF_ERROR(CheckBlock(config, {&*first, static_cast<size_t>(last - first)}, names));
    first = last;
  }

  ModelSchemes schemes(config);
  schemes.SetEnds(ends);
  for (const Layer& layer : layers) schemes.Set(layer.block, layer.linear.role, layer.scheme);
  if (schemes.Distinct().empty()) return Problem("file", "keeps every layer: nothing is left to quantize");
  return schemes;
}

}  // namespace pivot
