// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_BLOCK_SHARD_H_
#define PIVOT_ENGINE_CHECKPOINT_BLOCK_SHARD_H_

// Shards of a compressed checkpoint: written from quantized layers, read back, compared.

#include <map>
#include <string>

#include "absl/status/statusor.h"

#include "engine/checkpoint/quantized_linear.h"
#include "engine/model/model_folder.h"
#include "engine/plan/output_layout.h"

namespace pivot {

/// Quantized layers by module name.
using QuantizedLinears = std::map<std::string, QuantizedLinear>;

/// Packs `linears`, takes the shard's other tensors from the source as they are, and writes the file below `folder`.
/// Then reads it back and compares every code, scale and kept byte with memory: kDataLoss names the first tensor that
/// differs.
absl::StatusOr<WrittenFile> WriteShard(const std::string& folder, const OutputShard& shard,
                                       const QuantizedLinears& linears, const ModelFolder& source);

/// Layers of a finished shard, dequantized: module name -> weight [out, in] fp32 on the CPU.
absl::StatusOr<std::map<std::string, at::Tensor>> ReadShardWeights(const std::string& path, const WeightScheme& scheme);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_BLOCK_SHARD_H_
