// SPDX-License-Identifier: Apache-2.0
#include "engine/format/fp8_config.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/format/unsupported.h"
#include "engine/model/json.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// Beyond any layer there is.
constexpr int64_t kMaxBlockSide = int64_t{1} << 24;

bool IsBlockSide(const json& side) {
  return side.is_number_unsigned() && side.get<uint64_t>() >= 1 && side.get<uint64_t>() <= kMaxBlockSide;
}

/// One scale for all when there are no blocks.
absl::StatusOr<WeightScheme> SchemeOfBlocks(const json& blocks) {
  WeightScheme scheme = *FloatScheme("fp8");
  scheme.row_group = 0;
  if (blocks.is_null()) return scheme;
  if (!blocks.is_array() || blocks.size() != 2 || !IsBlockSide(blocks[0]) || !IsBlockSide(blocks[1])) {
    return UnsupportedConfig(
        absl::StrCat("has the weight_block_size ", blocks.dump(), "; two positive numbers, or none, are read"));
  }
  scheme.row_group = blocks[0].get<int64_t>();
  scheme.group_size = blocks[1].get<int64_t>();
  return scheme;
}

}  // namespace

bool Fp8Config::IsPlain(absl::string_view module) const {
  return std::any_of(not_converted.begin(), not_converted.end(), [module](const std::string& name) {
    return module == name || absl::StartsWith(module, name + ".") || absl::EndsWith(module, "." + name);
  });
}

absl::StatusOr<Fp8Config> ParseFp8(const json& quantization_config) {
  JsonFields fields(quantization_config, "quantization_config");
  const std::string kind = fields.OptionalText("fmt").value_or("e4m3");
  const std::string activations = fields.OptionalText("activation_scheme").value_or("dynamic");
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  if (kind != "e4m3" && kind != "float8_e4m3fn")
    return UnsupportedConfig(absl::StrCat("has FP8 of the kind \"", kind, "\"; e4m3 is read"));
  Fp8Config config{.quantizes_activations = activations == "dynamic" || activations == "static"};
  PIVOT_ASSIGN_OR_RETURN(config.scheme, SchemeOfBlocks(quantization_config.value("weight_block_size", json())));
  for (const char* list : {"modules_to_not_convert", "ignored_layers"}) {
    for (const json& name : quantization_config.value(list, json())) {
      if (name.is_string()) config.not_converted.push_back(name.get<std::string>());
    }
  }
  return config;
}

}  // namespace pivot
