// SPDX-License-Identifier: Apache-2.0
#include "engine/model/wrapped_decoder.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "engine/model/json.h"
#include "engine/model/model_folder.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

/// text_config as if it were a model's, or null when there is none of a family of the table.
json DecoderConfig(const json& document) {
  json text = document.is_object() ? document.value("text_config", json()) : json();
  const json type = text.is_object() ? text.value("model_type", json()) : json();
  if (!type.is_string() || FindArchitecture(type.get<std::string>()) == nullptr) return json();
  for (const char* key : {"dtype", "torch_dtype", "eos_token_id"}) {
    if (!text.contains(key) && document.contains(key)) text[key] = document[key];
  }
  return text;
}

/// What the names of a family's tensors begin with: "model.".
std::string FamilyBase(const Architecture& family) {
  const auto [end, other] = std::mismatch(family.embedding.begin(), family.embedding.end(), family.block_prefix.begin(),
                                          family.block_prefix.end());
  const auto length = static_cast<size_t>(end - family.embedding.begin());
  return std::string(family.embedding.substr(0, family.embedding.rfind('.', length - 1) + 1));
}

/// The same here: "language_model.model.". Nothing when no tensor is its embedding.
std::optional<std::string> FindBase(const ModelFolder& folder, const ModelConfig& config, absl::string_view family) {
  const absl::string_view embedding = absl::StripPrefix(config.architecture->embedding, family);
  const std::vector<int64_t> shape = {config.vocab_size, config.hidden_size};
  for (const auto& [name, location] : folder.tensors()) {
    absl::string_view base = name;
    if (!absl::ConsumeSuffix(&base, embedding) || !absl::EndsWith(base, ".") || location.info->shape != shape) continue;
    return std::string(base);
  }
  return std::nullopt;
}

/// "language_model" of "language_model.model." and of "model.language_model."; "" of "model.".
std::string ModuleOf(absl::string_view base) {
  std::string module;
  for (const absl::string_view part : absl::StrSplit(base, '.', absl::SkipEmpty())) {
    if (part != "model") module = std::string(part);
  }
  return module;
}

/// Modules below the whole model, the decoder's own taken apart, that have a tensor of two dimensions.
std::vector<std::string> OutsideModules(const ModelFolder& folder, const WrappedDecoder& decoder) {
  std::set<std::string> modules;
  for (const auto& [name, location] : folder.tensors()) {
    if (location.info->shape.size() < 2 || absl::StartsWith(name, decoder.block_prefix)) continue;
    const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
    const auto first = std::find_if(parts.begin(), parts.end(), [&decoder](absl::string_view part) {
      return part != "model" && part != decoder.module;
    });
    if (first != parts.end()) modules.insert(std::string(*first));
  }
  const std::vector<absl::string_view> head = absl::StrSplit(absl::StripSuffix(decoder.head, ".weight"), '.');
  modules.insert(std::string(head.back()));
  return {modules.begin(), modules.end()};
}

void Rename(const std::string& family_base, const std::string& base, WrappedDecoder& decoder) {
  Architecture& architecture = decoder.architecture;
  const auto renamed = [&](absl::string_view name) {
    return name.empty() ? std::string() : absl::StrCat(base, absl::StripPrefix(name, family_base));
  };
  decoder.embedding = renamed(architecture.embedding);
  decoder.position_embedding = renamed(architecture.position_embedding);
  decoder.final_norm = renamed(architecture.final_norm);
  decoder.block_prefix = renamed(architecture.block_prefix);
  architecture.model_type = decoder.model_type;
  architecture.embedding = decoder.embedding;
  architecture.position_embedding = decoder.position_embedding;
  architecture.final_norm = decoder.final_norm;
  architecture.block_prefix = decoder.block_prefix;
  architecture.head = decoder.head;
}

}  // namespace

absl::StatusOr<ModelConfig> UnwrapDecoder(const ModelFolder& folder, const absl::Status& refusal) {
  PIVOT_ASSIGN_OR_RETURN(const json document, ParseJson(folder.config_text(), "config.json"));
  const json text = DecoderConfig(document);
  if (text.is_null()) return refusal;
  auto parsed = ParseModelConfig(text.dump(-1, ' ', false, json::error_handler_t::replace));
  if (!parsed.ok()) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat("text_config of ", folder.path(), ": ", parsed.status().message())),
        ReasonOf(parsed.status()));
  }
  ModelConfig config = *std::move(parsed);
  const std::string family_base = FamilyBase(*config.architecture);
  const auto base = FindBase(folder, config, family_base);
  if (!base.has_value() || ModuleOf(*base).empty()) return refusal;

  auto decoder = std::make_shared<WrappedDecoder>();
  decoder->model_type = JsonFields(document, "config.json").OptionalText("model_type").value_or("");
  decoder->module = ModuleOf(*base);
  decoder->architecture = *config.architecture;
  decoder->head = std::string(config.architecture->head);
  const std::string inner_head = absl::StrCat(decoder->module, ".", decoder->head);
  if (folder.Find(inner_head) != nullptr) decoder->head = inner_head;
  config.tied_embeddings = folder.Find(decoder->head) == nullptr;
  Rename(family_base, *base, *decoder);
  decoder->outside = OutsideModules(folder, *decoder);
  config.architecture = &decoder->architecture;
  config.wrapped = std::move(decoder);
  return config;
}

}  // namespace pivot
