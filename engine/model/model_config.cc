// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_config.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// Beyond any model there is; keeps products of sizes far from overflow.
constexpr int64_t kMaxDimension = int64_t{1} << 24;
constexpr int64_t kMaxBlocks = 4096;

absl::Status Unsupported(absl::string_view problem) {
  std::vector<absl::string_view> names;
  for (const Architecture& architecture : Architectures()) names.push_back(architecture.model_type);
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat(problem, "; supported model types: ", absl::StrJoin(names, ", "))),
      "UNSUPPORTED_ARCHITECTURE");
}

absl::Status Invalid(absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("config.json: ", problem)), "INVALID_CONFIG");
}

/// theta from "rope_parameters" (transformers 5) or from "rope_theta" and "rope_scaling" (transformers 4).
absl::StatusOr<double> RopeTheta(JsonFields& fields) {
  const json* parameters = fields.OptionalObject("rope_parameters");
  const json* scaling = fields.OptionalObject("rope_scaling");
  double theta = fields.OptionalNumber("rope_theta").value_or(10000.0);
  for (const json* object : {parameters, scaling}) {
    if (object == nullptr) continue;
    JsonFields rope(*object, "config.json: rope parameters");
    theta = rope.OptionalNumber("rope_theta").value_or(theta);
    std::string kind = rope.OptionalText("type").value_or("default");
    kind = rope.OptionalText("rope_type").value_or(kind);
    const double rotary_share = rope.OptionalNumber("partial_rotary_factor").value_or(1.0);
    if (!rope.status().ok()) return WithReason(rope.status(), "INVALID_CONFIG");
    if (rotary_share != 1.0) return Unsupported("partial rotary embeddings are not supported");
    if (kind != "default") return Unsupported(absl::StrCat("rotary embedding of type \"", kind, "\" is not supported"));
  }
  if (fields.OptionalNumber("partial_rotary_factor").value_or(1.0) != 1.0) {
    return Unsupported("partial rotary embeddings are not supported");
  }
  if (!(theta > 0)) return Invalid("rope_theta must be above 0");
  return theta;
}

std::vector<int64_t> TokenIds(const json& document, const char* name) {
  const json value = document.value(name, json());
  std::vector<int64_t> ids;
  if (value.is_number_integer()) ids.push_back(value.get<int64_t>());
  if (value.is_array()) {
    for (const json& id : value) {
      if (id.is_number_integer()) ids.push_back(id.get<int64_t>());
    }
  }
  return ids;
}

/// "auto_map" points at Python code in the model's folder.
absl::string_view NamesItsCode(const json& document) {
  return document.contains("auto_map") ? ", and code from a model's folder (auto_map) is never run" : "";
}

absl::Status CheckSizes(const ModelConfig& config) {
  const std::array<std::pair<absl::string_view, int64_t>, 7> sizes = {{
      {"hidden_size", config.hidden_size},
      {"intermediate_size", config.intermediate_size},
      {"num_attention_heads", config.num_heads},
      {"num_key_value_heads", config.num_kv_heads},
      {"head_dim", config.head_dim},
      {"vocab_size", config.vocab_size},
      {"max_position_embeddings", config.max_positions},
  }};
  for (const auto& [name, size] : sizes) {
    if (size < 1 || size > kMaxDimension) return Invalid(absl::StrCat(name, " is ", size));
  }
  if (config.num_blocks < 1 || config.num_blocks > kMaxBlocks) {
    return Invalid(absl::StrCat("num_hidden_layers is ", config.num_blocks));
  }
  if (config.num_heads * config.head_dim > kMaxDimension) {
    return Invalid(absl::StrCat(config.num_heads, " attention heads of ", config.head_dim, " are too wide"));
  }
  if (config.num_heads % config.num_kv_heads != 0) {
    return Invalid(
        absl::StrCat(config.num_heads, " attention heads cannot share ", config.num_kv_heads, " key/value heads"));
  }
  if (config.head_dim % 2 != 0) return Invalid(absl::StrCat("head_dim is odd: ", config.head_dim));
  if (!(config.rms_norm_eps >= 0)) return Invalid("rms_norm_eps is negative");
  return absl::OkStatus();
}

absl::Status CheckParts(const json& document, const Architecture& architecture, JsonFields& fields) {
  const std::string activation = fields.OptionalText("hidden_act").value_or(std::string(architecture.activation_name));
  if (activation != architecture.activation_name) {
    return Unsupported(absl::StrCat("activation \"", activation, "\" is not supported for ", architecture.model_type));
  }
  if (document.value("use_sliding_window", json(false)) == json(true)) {
    return Unsupported("sliding-window attention is not supported");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view config_json) {
  auto document = ParseJson(config_json, "config.json");
  if (!document.ok()) return WithReason(document.status(), "INVALID_CONFIG");
  JsonFields fields(*document, "config.json");
  const std::string model_type = fields.Text("model_type");
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_CONFIG");
  ModelConfig config;
  config.architecture = FindArchitecture(model_type);
  if (config.architecture == nullptr) {
    // Of a family that is known, nobody needs the code.
    return Unsupported(absl::StrCat("architecture \"", model_type, "\" is not supported", NamesItsCode(*document)));
  }
  PIVOT_RETURN_IF_ERROR(CheckParts(*document, *config.architecture, fields));

  config.hidden_size = fields.Integer("hidden_size");
  config.intermediate_size = fields.Integer("intermediate_size");
  config.num_blocks = fields.Integer("num_hidden_layers");
  config.num_heads = fields.Integer("num_attention_heads");
  config.num_kv_heads = fields.OptionalInteger("num_key_value_heads").value_or(config.num_heads);
  const int64_t even_share = config.num_heads > 0 ? config.hidden_size / config.num_heads : 0;
  config.head_dim = fields.OptionalInteger("head_dim").value_or(even_share);
  config.vocab_size = fields.Integer("vocab_size");
  config.max_positions = fields.OptionalInteger("max_position_embeddings").value_or(2048);
  config.rms_norm_eps = fields.OptionalNumber("rms_norm_eps").value_or(1e-6);
  config.tied_embeddings = fields.BooleanOr("tie_word_embeddings", false);
  config.attention_bias = fields.BooleanOr("attention_bias", false);
  config.mlp_bias = fields.BooleanOr("mlp_bias", false);
  config.dtype = fields.OptionalText("dtype").value_or(fields.OptionalText("torch_dtype").value_or(""));
  config.eos_token_ids = TokenIds(*document, "eos_token_id");
  auto theta = RopeTheta(fields);
  if (!theta.ok()) return theta.status();
  config.rope_theta = *theta;
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_CONFIG");
  PIVOT_RETURN_IF_ERROR(CheckSizes(config));
  return config;
}

bool HasBias(const ModelConfig& config, BiasKind kind) {
  switch (kind) {
    case BiasKind::kNone:
      return false;
    case BiasKind::kAlways:
      return true;
    case BiasKind::kAttentionBias:
      return config.attention_bias;
    case BiasKind::kMlpBias:
      return config.mlp_bias;
  }
  return false;
}

LinearShape ShapeOf(const ModelConfig& config, LinearRole role) {
  switch (role) {
    case LinearRole::kQuery:
      return {config.num_heads * config.head_dim, config.hidden_size};
    case LinearRole::kKey:
    case LinearRole::kValue:
      return {config.num_kv_heads * config.head_dim, config.hidden_size};
    case LinearRole::kAttentionOutput:
      return {config.hidden_size, config.num_heads * config.head_dim};
    case LinearRole::kGate:
    case LinearRole::kUp:
      return {config.intermediate_size, config.hidden_size};
    case LinearRole::kDown:
      return {config.hidden_size, config.intermediate_size};
  }
  return {};
}

}  // namespace pivot
