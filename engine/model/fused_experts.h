// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_FUSED_EXPERTS_H_
#define PIVOT_ENGINE_MODEL_FUSED_EXPERTS_H_

// Tensors that hold the weights of all experts of a block, shown as those of each expert.
//
//   ...mlp.experts.gate_up_proj [experts, 2 * intermediate, hidden]   of each expert the rows of gate, then those of up
//   ...mlp.experts.down_proj    [experts, hidden, intermediate]
//
// Source: Qwen3MoeExperts and MixtralExperts of transformers 5.24, which reads files of either form.

#include <vector>

#include "absl/status/statusor.h"

#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"

namespace pivot {

/// What `info` holds when it is a tensor of this kind, or a router beside one (of the name that it has in files of
/// separate experts); of other tensors no parts. kInvalidArgument (MALFORMED_WEIGHTS) when it has another shape.
absl::StatusOr<std::vector<TensorInfo>> SplitFusedExperts(const ModelConfig& config, const TensorInfo& info);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_FUSED_EXPERTS_H_
