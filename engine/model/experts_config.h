// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_EXPERTS_CONFIG_H_
#define PIVOT_ENGINE_MODEL_EXPERTS_CONFIG_H_

// What config.json says of a mixture of experts.

#include <cstdint>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/model/model_config.h"

namespace pivot {

/// Of a family with experts; `document` has the keys of the table (num_experts, num_experts_per_tok,
/// moe_intermediate_size, norm_topk_prob, and of Qwen3-MoE decoder_sparse_step and mlp_only_layers, the blocks that
/// have an MLP). kInvalidArgument with reason INVALID_CONFIG.
absl::StatusOr<ExpertsConfig> ReadExperts(const nlohmann::json& document, int64_t num_blocks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_EXPERTS_CONFIG_H_
