// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_ARCHITECTURE_H_
#define PIVOT_ENGINE_MODEL_ARCHITECTURE_H_

// The table of model families: what a decoder block consists of and what its tensors are called. A further family is
// a further entry; what it has that no entry before it had is a further value of an enum and its part of the forward
// pass.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

/// The linear layers of a decoder block.
enum class LinearRole { kQuery, kKey, kValue, kAttentionOutput, kGate, kUp, kDown };

/// The places of a decoder block where linear layers read.
enum class BlockInput {
  kAttention,        // the normalized residual stream, before the attention
  kAttentionOutput,  // the heads' outputs, before the output projection
  kMlp,              // the normalized residual stream, before the MLP
  kMlpHidden,        // the activated hidden state, before the down projection
};

enum class Activation { kSilu };
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

/// Linears that read the same input: they share a Hessian and are solved together.
struct LinearGroup {
  BlockInput input;
  std::vector<LinearRole> members;
  absl::string_view fused_name;  // what serving runtimes call the members together; empty when they do not fuse
};

struct Architecture {
  absl::string_view model_type;  // config.json's
  absl::string_view class_name;  // config.json's architectures[0]
  absl::string_view embedding;   // tensor names
  absl::string_view final_norm;
  absl::string_view head;
  absl::string_view block_prefix;  // "model.layers." + index + "."
  absl::string_view attention_norm;
  absl::string_view mlp_norm;
  Activation activation;
  absl::string_view activation_name;  // config.json's hidden_act
  std::vector<LinearEntry> linears;
  std::vector<LinearGroup> groups;  // in the order of the forward pass

  const LinearEntry& linear(LinearRole role) const;
};

absl::Span<const Architecture> Architectures();

/// Null when no entry has this model_type.
const Architecture* FindArchitecture(absl::string_view model_type);

/// "model.layers.3.".
std::string BlockPrefix(const Architecture& architecture, int block);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_ARCHITECTURE_H_
