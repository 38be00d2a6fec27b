// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_ARCHITECTURE_H_
#define PIVOT_ENGINE_MODEL_ARCHITECTURE_H_

// The table of model families: what a decoder block consists of and what its tensors are called. A further family is
// a further entry (architecture_table.cc); what it has that no entry before it had is a further value of an enum and
// its part of the forward pass.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/model/block_parts.h"  // IWYU pragma: export

namespace pivot {

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

/// A mixture of experts in the place of the MLP. Expert 7's linears are `prefix` + "7." + their names.
struct ExpertsEntry {
  absl::string_view router;  // module name in the block; never quantized: "mlp.gate"
  absl::string_view prefix;  // "mlp.experts."
  absl::string_view gate, up, down;
  std::vector<LinearGroup> groups;  // of one expert
  /// What the router and the experts are called where a tensor holds all experts of a block: "mlp.gate",
  /// "mlp.experts.gate_up_proj" [experts, 2 * intermediate, hidden] and "...down_proj" [experts, hidden, intermediate].
  absl::string_view fused_router, fused_gate_up, fused_down;
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
  /// Of blocks with experts (ModelConfig::has_experts), which have no linears that the MLP's groups name.
  std::optional<ExpertsEntry> experts = std::nullopt;

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
