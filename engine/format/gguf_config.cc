// SPDX-License-Identifier: Apache-2.0
#include "engine/format/gguf_config.h"

#include "absl/strings/str_cat.h"

#include "engine/format/linear_storage.h"
#include "engine/format/unsupported.h"
#include "engine/model/json.h"

namespace pivot {

absl::StatusOr<GgufConfig> ParseGguf(const nlohmann::json& quantization_config) {
  JsonFields fields(quantization_config, "quantization_config");
  const nlohmann::json* modules = fields.OptionalObject("modules");
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  GgufConfig config;
  if (modules == nullptr) return config;
  for (const auto& [module, name] : modules->items()) {
    const auto type = name.is_string() ? FindGgmlType(name.get<std::string>()) : std::nullopt;
    const auto scheme = type.has_value() ? SchemeOf(*type) : std::nullopt;
    if (!scheme.has_value()) return UnsupportedConfig(absl::StrCat("gives ", module, " the type ", name.dump()));
    config.modules[module] = *scheme;
  }
  return config;
}

}  // namespace pivot
