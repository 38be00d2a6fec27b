// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_OUTPUT_LAYOUT_H_
#define PIVOT_ENGINE_PLAN_OUTPUT_LAYOUT_H_

// Which tensors a compressed checkpoint has and in which shard each lies: known before anything is computed.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/format/weight_scheme.h"
#include "engine/model/model_folder.h"

namespace pivot {

struct OutputShard {
  std::string file_name;
  std::vector<TensorSpec> tensors;
};

/// One shard per decoder block in order, and a last one for all other tensors. Quantized are the linears of the
/// architecture table; every other tensor of the source keeps its name, dtype and bytes, except the head of a model
/// with tied embeddings, which is not written.
std::vector<OutputShard> OutputShards(const ModelFolder& source, const WeightScheme& scheme);

/// model.safetensors.index.json of these shards.
std::string IndexJson(const std::vector<OutputShard>& shards);

/// Whether the source's tensor is written as it is (not quantized, not a tied head).
bool IsKept(const ModelFolder& source, absl::string_view tensor);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_OUTPUT_LAYOUT_H_
