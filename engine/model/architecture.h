// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_ARCHITECTURE_H_
#define PIVOT_ENGINE_MODEL_ARCHITECTURE_H_

// The table of model families: what a decoder block consists of and what its tensors are called. A further family is
// a further entry (architecture_table.cc); what it has that no entry before it had is a further value of an enum and
// its part of the forward pass.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

/// The linear layers of a decoder block. One that is several in one matrix has a role of its own.
enum class LinearRole { kQuery, kKey, kValue, kAttentionOutput, kGate, kUp, kDown, kQueryKeyValue, kGateUp };
inline constexpr size_t kNumLinearRoles = 9;

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

enum class NormKind {
  kRms,        // x / rms(x) * weight
  kRmsOffset,  // x / rms(x) * (1 + weight)
  kLayer,      // (x - mean) / deviation * weight + bias
};

/// What queries and keys are normalized over.
enum class HeadNorm { kEachHead, kAllHeads };

/// kParallel: attention and MLP read the same stream.
enum class BlockOrder { kSequential, kParallel, kAsConfigured /* use_parallel_residual */ };

/// kByHead: the query, key and value of a head lie together.
enum class FusedHeads { kInRuns, kByHead };

/// Which blocks attend to a window of the last tokens where config.json has no layer_types.
enum class SlidingBlocks {
  kNone,
  kAll,           // when sliding_window is set
  kFromTheFirst,  // all but each sliding_window_pattern-th
  kFromALayer,    // from max_window_layers on, when use_sliding_window is set
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

struct Architecture {
  absl::string_view model_type;          // config.json's
  absl::string_view class_name;          // config.json's architectures[0]
  absl::string_view embedding;           // tensor name
  absl::string_view position_embedding;  // tensor name; empty: positions are rotated into queries and keys
  int position_offset = 0;               // row of the first position
  absl::string_view final_norm;          // module name
  absl::string_view head;                // tensor name
  bool head_has_bias = false;
  absl::string_view block_prefix;  // "model.layers." + index + "."
  NormKind norm = NormKind::kRms;
  HeadNorm head_norm = HeadNorm::kEachHead;
  BlockOrder order = BlockOrder::kSequential;
  FusedHeads fused_heads = FusedHeads::kInRuns;
  SlidingBlocks sliding = SlidingBlocks::kNone;
  bool scales_embedding = false;  // by the root of hidden_size
  std::vector<NormEntry> norms;
  std::vector<LinearEntry> linears;
  std::vector<LinearGroup> groups;  // in the order of the forward pass

  /// What this family's config.json calls differently: {its key, the key read here}.
  std::vector<std::pair<absl::string_view, absl::string_view>> renamed_keys;
  /// JSON object: values of keys that config.json leaves out.
  absl::string_view defaults = "{}";
  /// JSON object: values that keys must have where they are there and not null. Others are parts of the family that are
  /// not built.
  absl::string_view required = "{}";

  const LinearEntry& linear(LinearRole role) const;
  bool has_linear(LinearRole role) const;
};

absl::Span<const Architecture> Architectures();

/// Null when no entry has this model_type.
const Architecture* FindArchitecture(absl::string_view model_type);

/// "model.layers.3.".
std::string BlockPrefix(const Architecture& architecture, int block);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_ARCHITECTURE_H_
