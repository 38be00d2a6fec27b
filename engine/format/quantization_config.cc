// SPDX-License-Identifier: Apache-2.0
#include "engine/format/quantization_config.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/format/unsupported.h"
#include "engine/model/json.h"
#include "proto/status/status_macros.h"

namespace pivot {

using nlohmann::json;
using nlohmann::ordered_json;

std::optional<LinearStorage> QuantizationConfig::StorageOf(absl::string_view module) const {
  if (const auto* gptq = std::get_if<GptqConfig>(&config_)) {
    const auto scheme = gptq->SchemeOf(module);
    if (!scheme.has_value()) return std::nullopt;
    return LinearStorage{.layout = gptq->layout, .scheme = *scheme};
  }
  if (const auto* gguf = std::get_if<GgufConfig>(&config_)) {
    const auto found = gguf->modules.find(module);
    if (found == gguf->modules.end()) return std::nullopt;
    return LinearStorage{.layout = CodeLayout::kGguf, .scheme = found->second};
  }
  if (const auto* fp8 = std::get_if<Fp8Config>(&config_)) {
    if (fp8->IsPlain(module)) return std::nullopt;
    return LinearStorage{.layout = CodeLayout::kPackQuantized, .scheme = fp8->scheme};
  }
  const WeightScheme* scheme = std::get<PackQuantizedConfig>(config_).SchemeOf(module);
  if (scheme == nullptr) return std::nullopt;
  return LinearStorage{.layout = CodeLayout::kPackQuantized, .scheme = *scheme};
}

absl::StatusOr<QuantizationConfig> ParseQuantizationConfig(const json& quantization_config) {
  JsonFields fields(quantization_config, "quantization_config");
  const std::string method = fields.Text("quant_method");
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (method == "compressed-tensors") {
    PIVOT_ASSIGN_OR_RETURN(PackQuantizedConfig config, ParsePackQuantized(quantization_config));
    return QuantizationConfig(std::move(config));
  }
  if (IsGptqMethod(method)) {
    PIVOT_ASSIGN_OR_RETURN(GptqConfig config, ParseGptq(quantization_config));
    return QuantizationConfig(std::move(config));
  }
  if (method == "gguf") {
    PIVOT_ASSIGN_OR_RETURN(GgufConfig config, ParseGguf(quantization_config));
    return QuantizationConfig(std::move(config));
  }
  if (method == "fp8") {
    PIVOT_ASSIGN_OR_RETURN(Fp8Config config, ParseFp8(quantization_config));
    return QuantizationConfig(std::move(config));
  }
  return UnsupportedConfig(absl::StrCat("has the method \"", method,
                                        "\"; compressed-tensors, fp8, gptq, mixed_gptq and auto-round are read"));
}

ordered_json QuantizationConfigJson(const ModelConfig& config, const ModelSchemes& schemes, CodeLayout layout) {
  if (layout == CodeLayout::kPlainBf16 || layout == CodeLayout::kGguf) return nullptr;
  if (layout == CodeLayout::kMixedGptq) return MixedGptqJson(config, schemes);
  return layout == CodeLayout::kPackQuantized ? PackQuantizedJson(config, schemes) : GptqJson(config, schemes, layout);
}

absl::StatusOr<std::string> WithQuantizationConfig(absl::string_view source_config_json,
                                                   const ordered_json& quantization_config) {
  ordered_json config =
      ordered_json::parse(source_config_json.begin(), source_config_json.end(), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return absl::InvalidArgumentError("config.json is not a JSON object");
  config.erase("auto_map");
  if (quantization_config.is_null()) {
    config.erase("quantization_config");
  } else {
    config["quantization_config"] = quantization_config;
  }
  return config.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace pivot
