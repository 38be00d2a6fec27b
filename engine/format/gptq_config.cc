// SPDX-License-Identifier: Apache-2.0
#include "engine/format/gptq_config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/format/module_expression.h"
#include "engine/format/unsupported.h"
#include "engine/model/block_linears.h"
#include "engine/model/json.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kPlainBits = 16;

int64_t GroupSizeOnDisk(const WeightScheme& scheme) { return scheme.group_size == 0 ? -1 : scheme.group_size; }

ordered_json DynamicJson(const ModelConfig& config, const ModelSchemes& schemes, const WeightScheme& common) {
  ordered_json dynamic = ordered_json::object();
  for (const std::string& expression : LayerExpressions(config, schemes, std::nullopt)) {
    dynamic["-:" + expression] = ordered_json::object();
  }
  for (const WeightScheme& scheme : schemes.Distinct()) {
    if (scheme == common) continue;
    for (const std::string& expression : LayerExpressions(config, schemes, scheme)) {
      dynamic["+:" + expression] = {{"bits", scheme.bits},
                                    {"group_size", GroupSizeOnDisk(scheme)},
                                    {"sym", scheme.is_symmetric()},
                                    {"desc_act", false}};
    }
  }
  return dynamic;
}

/// OneComp's list: for each block its quantized layers.
ordered_json BlocksJson(const ModelConfig& config, const ModelSchemes& schemes) {
  ordered_json blocks = ordered_json::array();
  for (int block = 0; block < schemes.num_blocks(); ++block) {
    ordered_json layers = ordered_json::object();
    const std::string prefix = BlockPrefix(*config.architecture, block);
    for (const BlockLinear& linear : BlockLinears(config, block)) {
      const auto& scheme = schemes.at(block, linear.role);
      if (!scheme.has_value()) continue;
      layers[std::string(absl::StripPrefix(linear.module, prefix))] = {
          {"bits", scheme->bits}, {"method", "gptq"}, {"params", {{"group_size", GroupSizeOnDisk(*scheme)}}}};
    }
    blocks.push_back(std::move(layers));
  }
  return blocks;
}

/// Full names of the quantized layers, sorted.
std::vector<std::string> QuantizedNames(const ModelConfig& config, const ModelSchemes& schemes) {
  std::vector<std::string> names;
  for (int block = 0; block < schemes.num_blocks(); ++block) {
    for (const BlockLinear& linear : BlockLinears(config, block)) {
      if (schemes.at(block, linear.role).has_value()) names.push_back(linear.module);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<WeightScheme> ParseScheme(const json& object, const WeightScheme& fallback) {
  JsonFields fields(object, "quantization_config");
  const int64_t old_group_size = fields.OptionalInteger("groupsize").value_or(fallback.group_size);
  const int64_t bits = fields.OptionalInteger("bits").value_or(fallback.bits);
  const int64_t group_size = fields.OptionalInteger("group_size").value_or(old_group_size);
  const bool symmetric = fields.BooleanOr("sym", fallback.is_symmetric());
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
    return UnsupportedConfig(absl::StrCat("has ", bits, " bits; GPTQ files of 2, 3, 4 and 8 are read"));
  }
  if (group_size < -1) return UnsupportedConfig(absl::StrCat("has groups of ", group_size));
  return WeightScheme{.bits = static_cast<int>(bits),
                      .group_size = std::max<int64_t>(group_size, 0),
                      .symmetry = symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric};
}

absl::Status ParseDynamic(const json& dynamic, GptqConfig* config) {
  for (const auto& [key, value] : dynamic.items()) {
    GptqConfig::Override entry;
    absl::string_view expression = key;
    const bool is_excluded = absl::ConsumePrefix(&expression, "-:");
    absl::ConsumePrefix(&expression, "+:");
    entry.expression = std::string(expression);
    if (!is_excluded) {
      PIVOT_ASSIGN_OR_RETURN(entry.scheme, ParseScheme(value, config->scheme));
    }
    config->overrides.push_back(std::move(entry));
  }
  // As GPTQModel does: what is left out goes first, the rest keeps its order.
  std::stable_partition(config->overrides.begin(), config->overrides.end(),
                        [](const GptqConfig::Override& entry) { return !entry.scheme.has_value(); });
  return absl::OkStatus();
}

/// AutoRound's: names or expressions to overrides; 16 bits: not quantized.
absl::Status ParseExtraConfig(const json& extra, GptqConfig* config) {
  for (const auto& [key, value] : extra.items()) {
    GptqConfig::Override entry{.expression = key};
    entry.is_exact_name = key.find_first_of("\\*+?[](){}|^$") == std::string::npos;
    const bool is_plain = value.is_object() && value.value("bits", json()).is_number() && value["bits"] >= kPlainBits;
    if (!is_plain) {
      PIVOT_ASSIGN_OR_RETURN(entry.scheme, ParseScheme(value, config->scheme));
    }
    config->overrides.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::Status ParseBlocks(const json& blocks, GptqConfig* config) {
  if (!blocks.is_array()) return UnsupportedConfig("has \"quantization_bits\" that are not an array");
  for (size_t block = 0; block < blocks.size(); ++block) {
    if (!blocks[block].is_object()) return UnsupportedConfig("has a block in \"quantization_bits\" that is no object");
    for (const auto& [name, layer] : blocks[block].items()) {
      JsonFields fields(layer, "quantization_config.quantization_bits");
      const std::string method = fields.OptionalText("method").value_or("gptq");
      const json* params = fields.OptionalObject("params");
      if (!fields.status().ok()) return UnreadableConfig(fields.status());
      if (method != "gptq") return UnsupportedConfig(absl::StrCat("has the method \"", method, "\" for ", name));
      PIVOT_ASSIGN_OR_RETURN(WeightScheme scheme, ParseScheme(layer, config->scheme));
      if (params != nullptr) {
        PIVOT_ASSIGN_OR_RETURN(scheme, ParseScheme(*params, scheme));
      }
      config->by_block.push_back({.block = static_cast<int>(block), .name = name, .scheme = scheme});
    }
  }
  return absl::OkStatus();
}

/// GPTQ's "checkpoint_format" or "format", or AutoRound's "packing_format".
absl::StatusOr<CodeLayout> ParseLayout(const std::string& method, JsonFields& fields) {
  if (method == "auto-round" || method == "intel/auto-round") {
    const std::string packing = fields.OptionalText("packing_format").value_or("auto_round:auto_gptq");
    if (packing == "auto_round:auto_gptq" || packing == "auto_gptq") return CodeLayout::kGptqV1;
    if (packing == "auto_round:gptqmodel" || packing == "auto_round") return CodeLayout::kGptqV2;
    return UnsupportedConfig(absl::StrCat("has the packing \"", packing, "\"; auto_round:auto_gptq is read"));
  }
  const std::string named = fields.OptionalText("format").value_or("gptq");
  const std::string format = fields.OptionalText("checkpoint_format").value_or(named);
  if (format == "gptq") return CodeLayout::kGptqV1;
  if (format == "gptq_v2") return CodeLayout::kGptqV2;
  return UnsupportedConfig(absl::StrCat("has the format \"", format, "\"; gptq and gptq_v2 are read"));
}

/// "model.layers.3.self_attn.q_proj" ends with "3.self_attn.q_proj".
bool IsInBlock(absl::string_view module, const GptqConfig::BlockEntry& entry) {
  return absl::EndsWith(module, absl::StrCat(".", entry.block, ".", entry.name));
}

}  // namespace

ordered_json MixedGptqJson(const ModelConfig& config, const ModelSchemes& schemes) {
  const std::vector<WeightScheme> distinct = schemes.Distinct();
  const WeightScheme common = distinct.empty() ? WeightScheme{} : distinct.front();
  const std::vector<std::string> names = QuantizedNames(config, schemes);
  return {{"quant_method", "mixed_gptq"},
          {"bits", common.bits},
          {"groupsize", GroupSizeOnDisk(common)},
          {"group_size", GroupSizeOnDisk(common)},
          {"actorder", false},
          {"desc_act", false},
          {"sym", common.is_symmetric()},
          {"checkpoint_format", "gptq"},
          {"modules_in_block_to_quantize", names},
          {"quantized_layer_names", names},
          {"quantization_bits", BlocksJson(config, schemes)}};
}

ordered_json GptqJson(const ModelConfig& config, const ModelSchemes& schemes, CodeLayout layout) {
  const std::vector<WeightScheme> distinct = schemes.Distinct();
  const WeightScheme common = distinct.empty() ? WeightScheme{} : distinct.front();
  ordered_json object{{"quant_method", "gptq"},
                      {"bits", common.bits},
                      {"group_size", GroupSizeOnDisk(common)},
                      {"sym", common.is_symmetric()},
                      {"desc_act", false},
                      {"lm_head", false},
                      {"checkpoint_format", layout == CodeLayout::kGptqV2 ? "gptq_v2" : "gptq"},
                      {"pack_dtype", "int32"}};
  const ordered_json dynamic = DynamicJson(config, schemes, common);
  if (!dynamic.empty()) object["dynamic"] = dynamic;
  if (distinct.size() > 1) object["quantization_bits"] = BlocksJson(config, schemes);
  object["meta"] = {{"quantizer", {absl::StrCat("pivot:", PIVOT_VERSION)}}};
  return object;
}

std::optional<WeightScheme> GptqConfig::SchemeOf(absl::string_view module) const {
  for (const Override& entry : overrides) {
    const bool matches = entry.is_exact_name ? entry.expression == module : MatchesAtStart(entry.expression, module);
    if (matches) return entry.scheme;
  }
  for (const BlockEntry& entry : by_block) {
    if (IsInBlock(module, entry)) return entry.scheme;
  }
  return by_block.empty() ? std::optional(scheme) : std::nullopt;
}

absl::StatusOr<GptqConfig> ParseGptq(const json& quantization_config) {
  JsonFields fields(quantization_config, "quantization_config");
  const std::string method = fields.Text("quant_method");
  const json* dynamic = fields.OptionalObject("dynamic");
  const json* extra = fields.OptionalObject("extra_config");
  const std::string data_type = fields.OptionalText("data_type").value_or("int");
  GptqConfig config;
  PIVOT_ASSIGN_OR_RETURN(config.layout, ParseLayout(method, fields));
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (data_type != "int") return UnsupportedConfig(absl::StrCat("has codes of type \"", data_type, "\"; int is read"));
  PIVOT_ASSIGN_OR_RETURN(config.scheme, ParseScheme(quantization_config, config.scheme));
  if (dynamic != nullptr) PIVOT_RETURN_IF_ERROR(ParseDynamic(*dynamic, &config));
  if (extra != nullptr) PIVOT_RETURN_IF_ERROR(ParseExtraConfig(*extra, &config));
  const auto blocks = quantization_config.find("quantization_bits");
  if (blocks != quantization_config.end()) PIVOT_RETURN_IF_ERROR(ParseBlocks(*blocks, &config));
  return config;
}

bool IsGptqMethod(absl::string_view quant_method) {
  return quant_method == "gptq" || quant_method == "mixed_gptq" || quant_method == "auto-round" ||
         quant_method == "intel/auto-round";
}

}  // namespace pivot
