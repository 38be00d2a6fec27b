// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_QUANTIZATION_CONFIG_H_
#define PIVOT_ENGINE_FORMAT_QUANTIZATION_CONFIG_H_

// "quantization_config" of config.json, whoever wrote it.

#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/compressed_tensors.h"
#include "engine/format/fp8_config.h"
#include "engine/format/gguf_config.h"
#include "engine/format/gptq_config.h"
#include "engine/format/linear_storage.h"

namespace pivot {

class QuantizationConfig {
 public:
  using Any = std::variant<PackQuantizedConfig, GptqConfig, GgufConfig, Fp8Config>;

  explicit QuantizationConfig(Any config) : config_(std::move(config)) {}

  /// What the configuration says of a module, or nothing when it says that it is plain. group_size 0: one scale a row.
  /// In GPTQ's formats and in "fp8" a module is plain also when its tensors are.
  std::optional<LinearStorage> StorageOf(absl::string_view module) const;

  bool is_gguf() const { return std::holds_alternative<GgufConfig>(config_); }
  bool is_gptq() const { return std::holds_alternative<GptqConfig>(config_); }
  bool is_fp8() const { return std::holds_alternative<Fp8Config>(config_); }

  /// Whether runtimes are to quantize the inputs of layers as well. Pivot computes with the weights alone.
  bool quantizes_activations() const {
    if (const auto* fp8 = std::get_if<Fp8Config>(&config_)) return fp8->quantizes_activations;
    const auto* packed = std::get_if<PackQuantizedConfig>(&config_);
    return packed != nullptr && packed->quantizes_activations;
  }

 private:
  Any config_;
};

/// kInvalidArgument with reason UNSUPPORTED_CHECKPOINT, naming what it met, for a method or format that is not read.
absl::StatusOr<QuantizationConfig> ParseQuantizationConfig(const nlohmann::json& quantization_config);

/// The object for a model whose linears have these schemes in this layout; null for the plain one and for GGUF.
nlohmann::ordered_json QuantizationConfigJson(const ModelConfig& config, const ModelSchemes& schemes,
                                              CodeLayout layout);

/// The source's config.json with quantization_config added or replaced (null: removed) and auto_map (a pointer to code)
/// dropped; the order of keys is kept.
absl::StatusOr<std::string> WithQuantizationConfig(absl::string_view source_config_json,
                                                   const nlohmann::ordered_json& quantization_config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_QUANTIZATION_CONFIG_H_
