// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_OUTPUT_LAYOUT_H_
#define PIVOT_ENGINE_PLAN_OUTPUT_LAYOUT_H_

// Which tensors a compressed checkpoint has and in which shard each lies: known before anything is computed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/format/linear_storage.h"
#include "engine/format/model_schemes.h"
#include "engine/model/model_folder.h"

namespace pivot {

struct OutputShard {
  std::string file_name;
  std::vector<TensorSpec> tensors;
};

/// The form of all quantized layers of a folder.
struct StorageForm {
  CodeLayout layout = CodeLayout::kPackQuantized;
  Dtype scale_dtype = Dtype::kBfloat16;
  std::optional<Dtype> kept_dtype = std::nullopt;  // what other tensors become; nothing: they keep theirs
};

/// One shard per decoder block in order, and a last one for all other tensors. Linears that have a scheme are stored in
/// the form; every other tensor of the source keeps its name, dtype (but for kept_dtype and narrow ends, which are
/// E4M3) and bytes, except the head of a model with tied embeddings, which is not written.
std::vector<OutputShard> OutputShards(const ModelFolder& source, const ModelSchemes& schemes,
                                      const StorageForm& form = {});

/// The same tensors in as few shards of at most `shard_bytes` (headers not counted) as their order allows; a shard of
/// one block or tensor that is larger stays whole. One shard alone is called model.safetensors.
std::vector<OutputShard> MergeShards(std::vector<OutputShard> shards, int64_t shard_bytes);

/// model.safetensors.index.json of these shards.
std::string IndexJson(const std::vector<OutputShard>& shards);

/// Whether the source's tensor is written as it is: not a quantized layer's, not a tied head.
bool IsKept(const ModelFolder& source, const ModelSchemes& schemes, absl::string_view tensor);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_OUTPUT_LAYOUT_H_
