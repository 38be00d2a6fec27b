// SPDX-License-Identifier: Apache-2.0
#include "engine/format/compressed_tensors.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

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

/// "weight" and "static" leave the columns where they were; "group" (true in old files) does not.
std::string ActOrderOf(const json& weights) {
  const json order = weights.is_object() ? weights.value("actorder", json()) : json();
  if (order.is_null() || order == json(false)) return "none";
  return order.is_string() ? absl::AsciiStrToLower(order.get<std::string>()) : "group";
}

absl::StatusOr<WeightScheme> ParseWeights(const json& weights) {
  JsonFields fields(weights, "quantization_config.weights");
  const std::string type = fields.OptionalText("type").value_or("int");
  const std::string strategy = fields.OptionalText("strategy").value_or("");
  const int64_t bits = fields.OptionalInteger("num_bits").value_or(8);
  const int64_t group_size = fields.OptionalInteger("group_size").value_or(0);
  const bool symmetric = fields.BooleanOr("symmetric", true);
  const std::string act_order = ActOrderOf(weights);
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (type != "int") return UnsupportedConfig(absl::StrCat("has weights of type \"", type, "\"; only \"int\" is read"));
  if (strategy != "group" && strategy != "channel") {
    return UnsupportedConfig(absl::StrCat("has the strategy \"", strategy, "\"; \"group\" and \"channel\" are read"));
  }
  if (act_order != "none" && act_order != "weight" && act_order != "static") {
    return UnsupportedConfig(
        absl::StrCat("has columns in the order \"", act_order, "\"; only their own order is read"));
  }
  const bool is_channel = strategy == "channel";
  if (bits < kMinBits || bits > kMaxBits || (!is_channel && group_size < 1)) {
    return UnsupportedConfig(absl::StrCat("has ", bits, " bits in groups of ", group_size));
  }
  return WeightScheme{.bits = static_cast<int>(bits),
                      .group_size = is_channel ? 0 : group_size,
                      .symmetry = symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric};
}

std::vector<std::string> Strings(const json& object, const char* name) {
  std::vector<std::string> values;
  for (const json& value : object.value(name, json::array())) {
    if (value.is_string()) values.push_back(value.get<std::string>());
  }
  return values;
}

absl::StatusOr<SchemeTargets> ParseGroup(const std::string& name, const json& group) {
  JsonFields fields(group, "quantization_config.config_groups");
  const json* weights = fields.OptionalObject("weights");
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (weights == nullptr) return UnsupportedConfig(absl::StrCat("has no weights in ", name));
  if (!group.value("input_activations", json()).is_null() || !group.value("output_activations", json()).is_null()) {
    return UnsupportedConfig(absl::StrCat("quantizes activations in ", name, "; only weights are read"));
  }
  PIVOT_ASSIGN_OR_RETURN(WeightScheme scheme, ParseWeights(*weights));
  return SchemeTargets{.scheme = scheme, .targets = Strings(group, "targets")};
}

std::vector<std::string> Targets(std::vector<std::string> expressions) {
  for (std::string& expression : expressions) expression.insert(0, "re:");
  return expressions;
}

ordered_json GroupJson(const WeightScheme& scheme, std::vector<std::string> expressions) {
  const bool is_channel = scheme.group_size == 0;
  const ordered_json weights{{"num_bits", scheme.bits},
                             {"type", "int"},
                             {"symmetric", scheme.is_symmetric()},
                             {"strategy", is_channel ? "channel" : "group"},
                             {"group_size", is_channel ? ordered_json() : ordered_json(scheme.group_size)},
                             {"dynamic", false}};
  return {{"targets", Targets(std::move(expressions))},
          {"weights", weights},
          {"input_activations", nullptr},
          {"output_activations", nullptr},
          {"format", "pack-quantized"}};
}

}  // namespace

ordered_json PackQuantizedJson(const ModelConfig& config, const ModelSchemes& schemes) {
  ordered_json groups = ordered_json::object();
  for (const WeightScheme& scheme : schemes.Distinct()) {
    groups[absl::StrCat("group_", groups.size())] = GroupJson(scheme, LayerExpressions(config, schemes, scheme));
  }
  std::vector<std::string> ignored = {std::string(absl::StripSuffix(config.architecture->head, ".weight"))};
  for (const std::string& target : Targets(LayerExpressions(config, schemes, std::nullopt))) ignored.push_back(target);
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
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
  if (format != "pack-quantized")
    return UnsupportedConfig(absl::StrCat("has the format \"", format, "\"; pack-quantized is read"));
  PackQuantizedConfig config{.groups = {}, .ignored = Strings(quantization_config, "ignore")};
  if (transforms != nullptr && !transforms->empty()) return UnsupportedConfig("has transforms; they are not read");
  if (groups == nullptr) return config;
  for (const auto& [name, group] : groups->items()) {
    PIVOT_ASSIGN_OR_RETURN(SchemeTargets targets, ParseGroup(name, group));
    config.groups.push_back(std::move(targets));
  }
  return config;
}

}  // namespace pivot
