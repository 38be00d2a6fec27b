// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_COMPRESSED_TENSORS_H_
#define PIVOT_ENGINE_FORMAT_COMPRESSED_TENSORS_H_

// The "quantization_config" of config.json in the form of compressed-tensors: pack-quantized, float-quantized,
// nvfp4-pack-quantized, mxfp4-pack-quantized, and groups of several of them.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/model_schemes.h"

namespace pivot {

/// The object for a model whose linears have these schemes, one config group for each. Targets are regular expressions
/// that match the names of the modules and of what serving runtimes fuse them to; no class names, which older loaders
/// match too eagerly. Layers that are plain are listed under "ignore". Activations are left as they are.
nlohmann::ordered_json PackQuantizedJson(const ModelConfig& config, const ModelSchemes& schemes);

/// One config group.
struct SchemeTargets {
  WeightScheme scheme;  // group_size 0: one scale a row
  std::vector<std::string> targets;
};

struct PackQuantizedConfig {
  std::vector<SchemeTargets> groups;
  std::vector<std::string> ignored;
  bool quantizes_activations = false;  // what a serving runtime then does too; here it is not

  /// The scheme of a module, or null when it is not quantized. Exact names go before regular expressions, those before
  /// "Linear".
  const WeightScheme* SchemeOf(absl::string_view module) const;
};

/// kInvalidArgument with reason UNSUPPORTED_CHECKPOINT, naming what it met, for any other format or strategy.
absl::StatusOr<PackQuantizedConfig> ParsePackQuantized(const nlohmann::json& quantization_config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_COMPRESSED_TENSORS_H_
