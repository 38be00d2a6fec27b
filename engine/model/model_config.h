// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MODEL_CONFIG_H_
#define PIVOT_ENGINE_MODEL_MODEL_CONFIG_H_

// config.json of a decoder model, in the form of transformers 4 (rope_theta, torch_dtype) or 5 (rope_parameters,
// dtype).

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/architecture.h"

namespace pivot {

struct ModelConfig {
  const Architecture* architecture = nullptr;  // an entry of the table, never null after parsing
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_blocks = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  double rms_norm_eps = 0;
  double rope_theta = 0;
  bool tied_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  std::vector<int64_t> eos_token_ids;  // may be empty
  std::string dtype;                   // "bfloat16"; empty when the file does not say
};

/// kInvalidArgument with reason UNSUPPORTED_ARCHITECTURE when the family is not in the table or uses a part that the
/// table does not describe (naming it and what is supported), with INVALID_CONFIG when a value is missing or makes no
/// sense.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view config_json);

/// Whether the linear has a bias tensor.
bool HasBias(const ModelConfig& config, BiasKind kind);

/// [out_features, in_features].
struct LinearShape {
  int64_t out_features = 0;
  int64_t in_features = 0;
};
LinearShape ShapeOf(const ModelConfig& config, LinearRole role);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MODEL_CONFIG_H_
