// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_BLOCK_PARTS_H_
#define PIVOT_ENGINE_MODEL_BLOCK_PARTS_H_

// The parts of a decoder block that the table of model families (architecture.h) speaks of.

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot {

/// The linear layers of a decoder block. One that is several in one matrix has a role of its own.
enum class LinearRole {
  kQuery,
  kKey,
  kValue,
  kAttentionOutput,
  kGate,
  kUp,
  kDown,
  kQueryKeyValue,
  kGateUp,
  kExpertGate,  // of each expert of a mixture
  kExpertUp,
  kExpertDown,
  kFound,  // and every value behind it: the layers that found_model.h finds in a block, one after the other
};
inline constexpr size_t kNumLinearRoles = 12;  // that the table speaks of

/// The normalizations of a decoder block.
enum class NormRole {
  kAttention,        // of the residual stream, where the attention reads it
  kAttentionOutput,  // of the output projection's result, before it joins the stream
  kMlp,              // of the residual stream, where the MLP reads it
  kMlpOutput,        // of the down projection's result, before it joins the stream
  kQuery,            // of queries, before their rotation
  kKey,
};
inline constexpr size_t kNumNormRoles = 6;

/// The places of a decoder block where linear layers read.
enum class BlockInput {
  kAttention,        // the normalized residual stream, before the attention
  kAttentionOutput,  // the heads' outputs, before the output projection
  kMlp,              // the normalized residual stream, before the MLP
  kMlpHidden,        // the activated hidden state, before the down projection
};

enum class BiasKind {
  kNone,
  kAlways,
  kAttentionBias,  // as config.json's attention_bias says
  kMlpBias,        // as config.json's mlp_bias says
};

struct LinearEntry {
  LinearRole role;
  absl::string_view name;  // module name in the block: "self_attn.q_proj"
  BiasKind bias = BiasKind::kNone;
};

struct NormEntry {
  NormRole role;
  absl::string_view name;  // module name in the block: "input_layernorm"
};

/// Linears that read the same input: they share a Hessian and are solved together.
struct LinearGroup {
  BlockInput input;
  std::vector<LinearRole> members;
  absl::string_view fused_name;  // what serving runtimes call the members together; empty when they do not fuse
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_BLOCK_PARTS_H_
