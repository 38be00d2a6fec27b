// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_FP8_CONFIG_H_
#define PIVOT_ENGINE_FORMAT_FP8_CONFIG_H_

// The "quantization_config" of models that come in FP8 by themselves (quant_method "fp8": DeepSeek-V3, Qwen3-FP8):
// linears as F8_E4M3 with a scale for each block of rows and columns, or one for the whole.
//
//   NAME.weight            F8_E4M3 [out, in]
//   NAME.weight_scale_inv  [ceil(out / rows), ceil(in / columns)], multiplies in spite of its name; of files with one
//                          scale also called NAME.weight_scale, one number
//
// Source: inference/kernel.py (weight_dequant) of deepseek-ai/DeepSeek-V3; FineGrainedFP8Config of transformers.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/weight_scheme.h"

namespace pivot {

struct Fp8Config {
  WeightScheme scheme;
  std::vector<std::string> not_converted;  // names of modules, or of what holds them
  bool quantizes_activations = false;

  /// Whether the module is left as it was.
  bool IsPlain(absl::string_view module) const;
};

/// kInvalidArgument with reason UNSUPPORTED_CHECKPOINT, naming what it met, for another kind of FP8 or blocks that are
/// no two positive numbers.
absl::StatusOr<Fp8Config> ParseFp8(const nlohmann::json& quantization_config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_FP8_CONFIG_H_
