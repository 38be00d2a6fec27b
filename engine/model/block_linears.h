// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_BLOCK_LINEARS_H_
#define PIVOT_ENGINE_MODEL_BLOCK_LINEARS_H_

// The linear layers of one decoder block, those of its experts among them.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "engine/model/model_shapes.h"

namespace pivot {

inline constexpr int kNoExpert = -1;

struct BlockLinear {
  std::string module;  // "model.layers.3.mlp.experts.7.gate_proj"
  LinearRole role;
  int expert = kNoExpert;  // whose it is
  LinearShape shape;
  bool has_bias = false;
};

/// In the order of the table; experts one after the other.
std::vector<BlockLinear> BlockLinears(const ModelConfig& config, int block);

/// One of each role: of the experts the first one's. Of a model that is not in the table all.
std::vector<BlockLinear> DistinctLinears(const ModelConfig& config, int block);

/// The linears of all kinds of block that the model has, one of each role (of a model that is not in the table: of each
/// shape); `module` is the name in the block.
std::vector<BlockLinear> ModelLinears(const ModelConfig& config);

/// "model.layers.3.mlp.experts.7.gate_proj". Requires a role that the block has.
std::string LinearModule(const ModelConfig& config, int block, LinearRole role, int expert);

/// "self_attn.q_proj": of a linear that is no expert's, its name in the block. Requires a role that the block has.
std::string NameInBlock(const ModelConfig& config, int block, LinearRole role);

/// Requires a role that the block has.
LinearShape ShapeInBlock(const ModelConfig& config, int block, LinearRole role);

/// The role of the linear that is called so in its block: kExpertGate of "mlp.experts.7.gate_proj". Nothing when the
/// block has none of this name.
std::optional<LinearRole> FindLinear(const ModelConfig& config, int block, absl::string_view name);

/// A group of linears, and whose it is.
struct BlockGroup : LinearGroup {
  int expert = kNoExpert;
};

/// Groups of the block but for its experts', in the order of the forward pass. Of a model that is not in the table each
/// linear is one.
std::vector<BlockGroup> SharedGroups(const ModelConfig& config, int block);

/// SharedGroups, and those of each expert.
std::vector<BlockGroup> BlockGroups(const ModelConfig& config, int block);

/// What decides where tokens go: [experts, hidden]. Nothing of a block without experts.
std::optional<NamedShape> RouterTensor(const ModelConfig& config, int block);

/// What a block has beside linears: NormTensors and RouterTensor.
std::vector<NamedShape> KeptTensors(const ModelConfig& config, int block);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_BLOCK_LINEARS_H_
