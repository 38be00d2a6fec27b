// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/experts_config.h"
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
  if (!(config.norm_eps >= 0)) return Invalid("rms_norm_eps is negative");
  return absl::OkStatus();
}

constexpr std::pair<absl::string_view, Activation> kActivations[] = {
    {"silu", Activation::kSilu},          {"swish", Activation::kSilu},
    {"gelu", Activation::kGelu},          {"relu", Activation::kRelu},
    {"gelu_new", Activation::kGeluTanh},  {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
};

absl::StatusOr<Activation> ParseActivation(const std::string& name) {
  for (const auto& [known, activation] : kActivations) {
    if (known == name) return activation;
  }
  return Unsupported(absl::StrCat("activation \"", name, "\" is not supported"));
}

/// The document with the keys that are read here and the family's defaults.
json Canonical(json document, const Architecture& architecture) {
  for (const auto& [theirs, ours] : architecture.renamed_keys) {
    const auto found = document.find(std::string(theirs));
    if (found == document.end() || found->is_null()) continue;
    document[std::string(ours)] = *found;
  }
  const json defaults = json::parse(std::string(architecture.defaults));
  for (const auto& [key, value] : defaults.items()) {
    if (!document.contains(key)) document[key] = value;
  }
  return document;
}

absl::Status CheckParts(const json& document, const Architecture& architecture) {
  const json required = json::parse(std::string(architecture.required));
  for (const auto& [key, value] : required.items()) {
    const json found = document.value(key, json());
    if (!found.is_null() && found != value)
      return Unsupported(absl::StrCat(architecture.model_type, " with ", key, " ", found.dump(), " is not supported"));
  }
  const json width = document.value("word_embed_proj_dim", json());
  if (!width.is_null() && width != document.value("hidden_size", json()))
    return Unsupported("embeddings of another width than the blocks (word_embed_proj_dim) are not supported");
  return absl::OkStatus();
}

/// Numbers for `count` blocks; none when the document has no such list.
absl::StatusOr<std::vector<int64_t>> BlockNumbers(const json& document, const char* name, int64_t count) {
  std::vector<int64_t> numbers;
  const json list = document.value(name, json());
  if (list.is_null()) return numbers;
  for (const json& entry : list) numbers.push_back(entry.is_number_integer() ? entry.get<int64_t>() : 0);
  if (static_cast<int64_t>(numbers.size()) != count) return Invalid(absl::StrCat(name, " must have a number a block"));
  return numbers;
}

/// Which blocks slide, by layer_types.
absl::Status ReadLayerTypes(const json& types, ModelConfig& config) {
  if (!types.is_array() || types.size() != config.attention.size())
    return Invalid("layer_types must have a name for each block");
  for (size_t block = 0; block < types.size(); ++block) {
    config.attention[block].slides = types[block] == json("sliding_attention");
    if (config.attention[block].slides || types[block] == json("full_attention")) continue;
    return Unsupported(absl::StrCat("blocks of type ", types[block].dump(), " are not supported"));
  }
  return absl::OkStatus();
}

absl::Status ReadSliding(const json& document, JsonFields& fields, ModelConfig& config) {
  config.sliding_window = fields.OptionalInteger("sliding_window").value_or(0);
  const json types = document.value("layer_types", json());
  const SlidingBlocks rule = config.architecture->sliding;
  const int64_t pattern = fields.OptionalInteger("sliding_window_pattern").value_or(1);
  const int64_t first = fields.OptionalInteger("max_window_layers").value_or(0);
  const bool uses = fields.BooleanOr("use_sliding_window", false);
  if (pattern < 1) return Invalid("sliding_window_pattern must be above 0");
  if (rule == SlidingBlocks::kNone || config.sliding_window == 0 || (rule == SlidingBlocks::kFromALayer && !uses)) {
    config.sliding_window = 0;
    return absl::OkStatus();
  }
  if (config.sliding_window < 1) return Invalid(absl::StrCat("sliding_window is ", config.sliding_window));
  if (!types.is_null() && rule != SlidingBlocks::kAll) return ReadLayerTypes(types, config);
  for (int64_t block = 0; block < config.num_blocks; ++block) {
    bool& slides = config.attention[static_cast<size_t>(block)].slides;
    if (rule == SlidingBlocks::kAll) slides = true;
    if (rule == SlidingBlocks::kFromTheFirst) slides = (block + 1) % pattern != 0;
    if (rule == SlidingBlocks::kFromALayer) slides = block >= first;
  }
  return absl::OkStatus();
}

/// Of transformers 5 a block's kind may have parameters of its own.
absl::Status ReadRopes(const json& document, JsonFields& fields, ModelConfig& config) {
  const json* parameters = fields.OptionalObject("rope_parameters");
  const json* scaling = fields.OptionalObject("rope_scaling");
  const json none;
  RopeContext context{.head_dim = config.head_dim,
                      .max_positions = static_cast<double>(config.max_positions),
                      .theta = fields.OptionalNumber("rope_theta").value_or(10000.0),
                      .partial_rotary_factor = fields.OptionalNumber("partial_rotary_factor").value_or(1.0),
                      .original_max_positions = fields.OptionalNumber("original_max_position_embeddings").value_or(0)};
  const json& common = parameters != nullptr ? *parameters : scaling != nullptr ? *scaling : none;
  const bool has_kinds =
      common.is_object() && (common.contains("full_attention") || common.contains("sliding_attention"));
  PIVOT_ASSIGN_OR_RETURN(config.rope, ParseRope(has_kinds ? common.value("full_attention", none) : common, context));
  config.sliding_rope = config.rope;
  // Gemma 3: blocks that slide are not stretched.
  const auto local = fields.OptionalNumber("rope_local_base_freq");
  if (local.has_value()) context.theta = *local;
  if (local.has_value() || has_kinds) {
    PIVOT_ASSIGN_OR_RETURN(config.sliding_rope,
                           ParseRope(has_kinds ? common.value("sliding_attention", none) : none, context));
  }
  PIVOT_ASSIGN_OR_RETURN(const std::vector<int64_t> rotated,
                         BlockNumbers(document, "no_rope_layers", config.num_blocks));
  const int64_t interval = fields.OptionalInteger("no_rope_layer_interval").value_or(0);
  for (int64_t block = 0; block < config.num_blocks; ++block) {
    bool& rotates = config.attention[static_cast<size_t>(block)].rotates;
    rotates = config.architecture->position_embedding.empty();
    if (!rotated.empty())
      rotates = rotated[static_cast<size_t>(block)] != 0;
    else if (interval > 0)
      rotates = (block + 1) % interval != 0;
  }
  return absl::OkStatus();
}

void ReadScales(JsonFields& fields, ModelConfig& config) {
  const double head_scale =
      fields.OptionalNumber("query_pre_attn_scalar").value_or(static_cast<double>(config.head_dim));
  config.attention_scale = fields.OptionalNumber("attention_multiplier").value_or(1 / std::sqrt(head_scale));
  config.attention_soft_cap = fields.OptionalNumber("attn_logit_softcapping").value_or(0);
  config.logit_soft_cap = fields.OptionalNumber("final_logit_softcapping").value_or(0);
  config.embedding_scale = fields.OptionalNumber("embedding_multiplier").value_or(1);
  if (config.architecture->scales_embedding)
    config.embedding_scale = std::sqrt(static_cast<double>(config.hidden_size));
  config.residual_scale = fields.OptionalNumber("residual_multiplier").value_or(1);
  config.logit_scale = 1 / fields.OptionalNumber("logits_scaling").value_or(1);
}

absl::Status CheckScales(const ModelConfig& config) {
  const auto is_positive = [](double value) { return value > 0 && std::isfinite(value); };
  if (!is_positive(config.attention_scale) || !is_positive(config.embedding_scale) ||
      !is_positive(config.residual_scale) || !is_positive(config.logit_scale))
    return Invalid("a multiplier is not a number above 0");
  if (!(config.attention_soft_cap >= 0) || !(config.logit_soft_cap >= 0)) return Invalid("a soft cap is negative");
  return absl::OkStatus();
}

void ReadSizes(JsonFields& fields, ModelConfig& config) {
  config.hidden_size = fields.Integer("hidden_size");
  config.intermediate_size = fields.Integer("intermediate_size");
  config.num_blocks = fields.Integer("num_hidden_layers");
  config.num_heads = fields.Integer("num_attention_heads");
  config.num_kv_heads = fields.OptionalInteger("num_key_value_heads").value_or(config.num_heads);
  const int64_t even_share = config.num_heads > 0 ? config.hidden_size / config.num_heads : 0;
  config.head_dim = fields.OptionalInteger("head_dim").value_or(even_share);
  config.vocab_size = fields.Integer("vocab_size");
  config.max_positions = fields.OptionalInteger("max_position_embeddings").value_or(2048);
  config.norm_eps = fields.OptionalNumber("rms_norm_eps").value_or(1e-6);
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view config_json) {
  auto document = ParseJson(config_json, "config.json");
  if (!document.ok()) return WithReason(document.status(), "INVALID_CONFIG");
  JsonFields type_fields(*document, "config.json");
  const std::string model_type = type_fields.Text("model_type");
  if (!type_fields.status().ok()) return WithReason(type_fields.status(), "INVALID_CONFIG");
  ModelConfig config;
  config.architecture = FindArchitecture(model_type);
  if (config.architecture == nullptr) {
    // Of a family that is known, nobody needs the code.
    return Unsupported(absl::StrCat("architecture \"", model_type, "\" is not supported", NamesItsCode(*document)));
  }
  PIVOT_RETURN_IF_ERROR(CheckParts(*document, *config.architecture));
  const json canonical = Canonical(*std::move(document), *config.architecture);
  JsonFields fields(canonical, "config.json");
  ReadSizes(fields, config);
  config.tied_embeddings = fields.BooleanOr("tie_word_embeddings", false);
  config.attention_bias = fields.BooleanOr("attention_bias", false);
  config.mlp_bias = fields.BooleanOr("mlp_bias", false);
  config.dtype = fields.OptionalText("dtype").value_or(fields.OptionalText("torch_dtype").value_or(""));
  config.eos_token_ids = TokenIds(canonical, "eos_token_id");
  config.order = config.architecture->order;
  if (config.order == BlockOrder::kAsConfigured)
    config.order = fields.BooleanOr("use_parallel_residual", false) ? BlockOrder::kParallel : BlockOrder::kSequential;
  ReadScales(fields, config);
  const std::string activation = fields.OptionalText("hidden_act").value_or("silu");
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_CONFIG");
  PIVOT_RETURN_IF_ERROR(CheckSizes(config));
  PIVOT_RETURN_IF_ERROR(CheckScales(config));
  PIVOT_ASSIGN_OR_RETURN(config.activation, ParseActivation(activation));
  config.attention.resize(static_cast<size_t>(config.num_blocks));
  PIVOT_RETURN_IF_ERROR(ReadSliding(canonical, fields, config));
  PIVOT_RETURN_IF_ERROR(ReadRopes(canonical, fields, config));
  if (config.architecture->experts.has_value()) {
    PIVOT_ASSIGN_OR_RETURN(config.experts, ReadExperts(canonical, config.num_blocks));
  }
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_CONFIG");
  return config;
}

}  // namespace pivot
