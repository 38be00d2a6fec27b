// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_GGUF_CONFIG_H_
#define PIVOT_ENGINE_FORMAT_GGUF_CONFIG_H_

// The "quantization_config" that is made of a GGUF file (engine/model/gguf/gguf_config.h): which linears are quantized,
// and as what.

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/weight_scheme.h"

namespace pivot {

struct GgufConfig {
  std::map<std::string, WeightScheme, std::less<>> modules;
};

/// kInvalidArgument with reason UNSUPPORTED_CHECKPOINT, naming what it met, for a type that has no codes.
absl::StatusOr<GgufConfig> ParseGguf(const nlohmann::json& quantization_config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_GGUF_CONFIG_H_
