// SPDX-License-Identifier: Apache-2.0
#include "engine/format/compressed_tensors.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/format/compressed_tensors_weights.h"
#include "engine/format/module_expression.h"
#include "engine/format/unsupported.h"
#include "engine/model/json.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// The library version whose packing of 3, 5, 6 and 7 bits is the dense one that we write; earlier ones cannot read it.
constexpr char kFormatVersion[] = "0.18.0";
// Each group then names its own.
constexpr absl::string_view kMixedFormat = "mixed-precision";

bool Matches(const std::string& target, absl::string_view module) {
  if (absl::StartsWith(target, "re:")) return MatchesAtStart(target.substr(3), module);
  return target == module || target == "Linear";
}

/// 0: exact name, 1: expression, 2: class name, 3: no match.
int Specificity(const std::string& target, absl::string_view module) {
  if (!Matches(target, module)) return 3;
  if (target == module) return 0;
  return absl::StartsWith(target, "re:") ? 1 : 2;
}

std::vector<std::string> Strings(const json& object, const char* name) {
  std::vector<std::string> values;
  for (const json& value : object.value(name, json::array())) {
    if (value.is_string()) values.push_back(value.get<std::string>());
  }
  return values;
}

struct ParsedGroup {
  SchemeTargets targets;
  bool quantizes_activations = false;
};

absl::StatusOr<ParsedGroup> ParseGroup(const std::string& name, const json& group, const std::string& file_format) {
  JsonFields fields(group, "quantization_config.config_groups");
  const json* weights = fields.OptionalObject("weights");
  const json* inputs = fields.OptionalObject("input_activations");
  const json* outputs = fields.OptionalObject("output_activations");
  const std::string format = fields.OptionalText("format").value_or(file_format);
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (weights == nullptr) return UnsupportedConfig(absl::StrCat("has no weights in ", name));
  PIVOT_ASSIGN_OR_RETURN(const WeightScheme scheme, ParseWeights(*weights, format));
  return ParsedGroup{.targets = {.scheme = scheme, .targets = Strings(group, "targets")},
                     .quantizes_activations = inputs != nullptr || outputs != nullptr};
}

std::vector<std::string> Targets(std::vector<std::string> expressions) {
  for (std::string& expression : expressions) expression.insert(0, "re:");
  return expressions;
}

ordered_json GroupJson(const WeightScheme& scheme, std::vector<std::string> expressions) {
  return {{"targets", Targets(std::move(expressions))},
          {"weights", WeightsJson(scheme)},
          {"input_activations", nullptr},
          {"output_activations", nullptr},
          {"format", GroupFormat(scheme.type)}};
}

}  // namespace

ordered_json PackQuantizedJson(const ModelConfig& config, const ModelSchemes& schemes) {
  ordered_json groups = ordered_json::object();
  std::set<absl::string_view> formats;
  for (const WeightScheme& scheme : schemes.Distinct()) {
    formats.insert(GroupFormat(scheme.type));
    groups[absl::StrCat("group_", groups.size())] = GroupJson(scheme, LayerExpressions(config, schemes, scheme));
  }
  std::vector<std::string> ignored;
  const absl::string_view head = absl::StripSuffix(config.architecture->head, ".weight");
  if (!head.empty() && config.wrapped == nullptr) ignored.emplace_back(head);
  for (const std::string& target : Targets(LayerExpressions(config, schemes, std::nullopt))) ignored.push_back(target);
  return {{"quant_method", "compressed-tensors"},
          {"format", formats.size() == 1 ? *formats.begin() : kMixedFormat},
          {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},
          {"kv_cache_scheme", nullptr},
          {"version", kFormatVersion},
          {"ignore", ignored},
          {"config_groups", groups}};
}

const WeightScheme* PackQuantizedConfig::SchemeOf(absl::string_view module) const {
  const bool is_ignored = std::any_of(ignored.begin(), ignored.end(),
                                      [module](const std::string& target) { return Matches(target, module); });
  if (is_ignored) return nullptr;
  const WeightScheme* best = nullptr;
  int best_specificity = 3;
  for (const SchemeTargets& group : groups) {
    for (const std::string& target : group.targets) {
      const int specificity = Specificity(target, module);
      if (specificity < best_specificity) {
        best = &group.scheme;
        best_specificity = specificity;
      }
    }
  }
  return best;
}

absl::StatusOr<PackQuantizedConfig> ParsePackQuantized(const json& quantization_config) {
  JsonFields fields(quantization_config, "quantization_config");
  const std::string format = fields.OptionalText("format").value_or("");
  const json* groups = fields.OptionalObject("config_groups");
  const json* transforms = fields.OptionalObject("transform_config");
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  PackQuantizedConfig config{.groups = {}, .ignored = Strings(quantization_config, "ignore")};
  if (transforms != nullptr && !transforms->empty()) return UnsupportedConfig("has transforms; they are not read");
  if (groups == nullptr) return config;
  for (const auto& [name, group] : groups->items()) {
    PIVOT_ASSIGN_OR_RETURN(ParsedGroup parsed, ParseGroup(name, group, format));
    config.groups.push_back(std::move(parsed.targets));
    config.quantizes_activations = config.quantizes_activations || parsed.quantizes_activations;
  }
  return config;
}

}  // namespace pivot
