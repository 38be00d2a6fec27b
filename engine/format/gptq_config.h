// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_GPTQ_CONFIG_H_
#define PIVOT_ENGINE_FORMAT_GPTQ_CONFIG_H_

// The "quantization_config" of GPTQ checkpoints: of GPTQModel and AutoGPTQ ("gptq"), AutoRound ("auto-round", packed
// as GPTQ) and OneComp ("mixed_gptq").

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/linear_storage.h"
#include "engine/format/model_schemes.h"

namespace pivot {

/// The object for a model whose linears have these schemes. The most common scheme stands at the top; others are in
/// "dynamic", expressions to overrides, plain layers first, which is the order that every reader takes. With more
/// than one scheme or bits that GPTQ runtimes do not share, OneComp's per-block list "quantization_bits" is there too,
/// and it alone reads it. Requires at least one quantized layer and a GPTQ layout.
nlohmann::ordered_json GptqJson(const ModelConfig& config, const ModelSchemes& schemes, CodeLayout layout);

/// The object as OneComp writes it ("mixed_gptq"): its loader and its vLLM plugin find each layer in the per-block list
/// "quantization_bits", and what is not there is plain. Requires at least one quantized layer, all symmetric.
nlohmann::ordered_json MixedGptqJson(const ModelConfig& config, const ModelSchemes& schemes);

struct GptqConfig {
  /// One entry of "dynamic" or of AutoRound's "extra_config".
  struct Override {
    std::string expression;
    bool is_exact_name = false;
    std::optional<WeightScheme> scheme;  // nothing: not quantized
  };
  /// One entry of OneComp's "quantization_bits".
  struct BlockEntry {
    int block = 0;
    std::string name;  // "self_attn.q_proj"
    WeightScheme scheme;
  };

  CodeLayout layout = CodeLayout::kGptqV1;
  WeightScheme scheme;  // group_size 0: one scale a row
  std::vector<Override> overrides;
  std::vector<BlockEntry> by_block;

  /// What the configuration says of a module; whether it is quantized at all its tensors say. The first override that
  /// matches wins.
  std::optional<WeightScheme> SchemeOf(absl::string_view module) const;
};

/// kInvalidArgument with reason UNSUPPORTED_CHECKPOINT, naming what it met, for any other packing or bits.
absl::StatusOr<GptqConfig> ParseGptq(const nlohmann::json& quantization_config);

/// Whether `quant_method` names a method that ParseGptq reads.
bool IsGptqMethod(absl::string_view quant_method);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_GPTQ_CONFIG_H_
