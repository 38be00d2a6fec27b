// SPDX-License-Identifier: Apache-2.0
#include "engine/format/compressed_tensors.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <memory>
#include <pcre2.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "engine/model/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// The library version whose packing of 3, 5, 6 and 7 bits is the dense one that we write; earlier ones cannot read it.
constexpr char kFormatVersion[] = "0.18.0";

absl::Status Unsupported(absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("config.json: quantization_config ", problem)),
                    "UNSUPPORTED_CHECKPOINT");
}

/// "self_attn.q_proj" -> {"self_attn", "q_proj"}.
std::pair<std::string, std::string> SplitModule(absl::string_view name) {
  const size_t dot = name.rfind('.');
  return {std::string(name.substr(0, dot)), std::string(name.substr(dot + 1))};
}

/// One expression for each parent module: re:.*layers\.\d+\.mlp\.(gate_proj|up_proj|gate_up_proj|down_proj)$
std::vector<std::string> TargetExpressions(const Architecture& architecture) {
  std::vector<std::pair<std::string, std::vector<std::string>>> by_parent;
  auto add = [&by_parent](absl::string_view name) {
    const auto [parent, child] = SplitModule(name);
    auto found =
        std::find_if(by_parent.begin(), by_parent.end(), [&p = parent](const auto& entry) { return entry.first == p; });
    if (found == by_parent.end()) found = by_parent.insert(by_parent.end(), {parent, {}});
    found->second.push_back(child);
  };
  for (const LinearGroup& group : architecture.groups) {
    for (const LinearRole role : group.members) add(architecture.linear(role).name);
    if (!group.fused_name.empty()) add(group.fused_name);
  }
  const auto [ignored, container] = SplitModule(absl::StripSuffix(architecture.block_prefix, "."));
  std::vector<std::string> expressions;
  for (const auto& [parent, children] : by_parent) {
    const std::string escaped = absl::StrReplaceAll(parent, {{".", "\\."}});
    expressions.push_back(
        absl::StrCat("re:.*", container, "\\.\\d+\\.", escaped, "\\.(", absl::StrJoin(children, "|"), ")$"));
  }
  return expressions;
}

/// Whether the whole-library rule for "re:" holds: the expression matches at the start of the name.
bool MatchesAtStart(const std::string& expression, absl::string_view name) {
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(), PCRE2_ANCHORED, &error,
                    &error_offset, nullptr),
      pcre2_code_free);
  if (code == nullptr) return false;
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create_from_pattern(code.get(), nullptr), pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  // A hostile expression must not run for ever, on every module of a model; an honest one takes some hundred steps.
  pcre2_set_match_limit(context.get(), 10'000);
  return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0, match.get(),
                     context.get()) >= 0;
}

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

absl::Status Unreadable(const absl::Status& status) {
  return Unsupported(absl::StrCat("cannot be read: ", status.message()));
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
  if (!fields.status().ok()) return Unreadable(fields.status());
  if (type != "int") return Unsupported(absl::StrCat("has weights of type \"", type, "\"; only \"int\" is read"));
  if (!symmetric) return Unsupported("has asymmetric weights; only symmetric ones are read");
  if (strategy != "group" && strategy != "channel") {
    return Unsupported(absl::StrCat("has the strategy \"", strategy, "\"; \"group\" and \"channel\" are read"));
  }
  if (act_order != "none" && act_order != "weight" && act_order != "static") {
    return Unsupported(absl::StrCat("has columns in the order \"", act_order, "\"; only their own order is read"));
  }
  const bool is_channel = strategy == "channel";
  if (bits < kMinBits || bits > kMaxBits || (!is_channel && group_size < 1)) {
    return Unsupported(absl::StrCat("has ", bits, " bits in groups of ", group_size));
  }
  return WeightScheme{.bits = static_cast<int>(bits), .group_size = is_channel ? 0 : group_size};
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
  if (!fields.status().ok()) return Unreadable(fields.status());
  if (weights == nullptr) return Unsupported(absl::StrCat("has no weights in ", name));
  if (!group.value("input_activations", json()).is_null() || !group.value("output_activations", json()).is_null()) {
    return Unsupported(absl::StrCat("quantizes activations in ", name, "; only weights are read"));
  }
  PIVOT_ASSIGN_OR_RETURN(WeightScheme scheme, ParseWeights(*weights));
  return SchemeTargets{.scheme = scheme, .targets = Strings(group, "targets")};
}

}  // namespace

ordered_json QuantizationConfigJson(const Architecture& architecture, const WeightScheme& scheme) {
  const ordered_json weights{
      {"num_bits", scheme.bits},         {"type", "int"},   {"symmetric", true}, {"strategy", "group"},
      {"group_size", scheme.group_size}, {"dynamic", false}};
  const ordered_json group{{"targets", TargetExpressions(architecture)},
                           {"weights", weights},
                           {"input_activations", nullptr},
                           {"output_activations", nullptr},
                           {"format", "pack-quantized"}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},
          {"kv_cache_scheme", nullptr},
          {"version", kFormatVersion},
          {"ignore", {std::string(absl::StripSuffix(architecture.head, ".weight"))}},
          {"config_groups", {{"group_0", group}}}};
}

absl::StatusOr<std::string> QuantizedConfigJson(absl::string_view source_config_json, const Architecture& architecture,
                                                const WeightScheme& scheme) {
  ordered_json config =
      ordered_json::parse(source_config_json.begin(), source_config_json.end(), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return absl::InvalidArgumentError("config.json is not a JSON object");
  config.erase("auto_map");
  config["quantization_config"] = QuantizationConfigJson(architecture, scheme);
  return config.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

const WeightScheme* QuantizationConfig::SchemeOf(absl::string_view module) const {
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

absl::StatusOr<QuantizationConfig> ParseQuantizationConfig(const json& quantization_config) {
  JsonFields fields(quantization_config, "quantization_config");
  const std::string method = fields.Text("quant_method");
  const std::string format = fields.OptionalText("format").value_or("");
  const json* groups = fields.OptionalObject("config_groups");
  const json* transforms = fields.OptionalObject("transform_config");
  if (!fields.status().ok()) return Unreadable(fields.status());
  if (method != "compressed-tensors")
    return Unsupported(absl::StrCat("has the method \"", method, "\"; compressed-tensors is read"));
  if (format != "pack-quantized")
    return Unsupported(absl::StrCat("has the format \"", format, "\"; pack-quantized is read"));
  QuantizationConfig config{.groups = {}, .ignored = Strings(quantization_config, "ignore")};
  if (transforms != nullptr && !transforms->empty()) return Unsupported("has transforms; they are not read");
  if (groups == nullptr) return config;
  for (const auto& [name, group] : groups->items()) {
    PIVOT_ASSIGN_OR_RETURN(SchemeTargets targets, ParseGroup(name, group));
    config.groups.push_back(std::move(targets));
  }
  return config;
}

}  // namespace pivot
