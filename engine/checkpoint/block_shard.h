// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_BLOCK_SHARD_H_
#define PIVOT_ENGINE_CHECKPOINT_BLOCK_SHARD_H_

// Shards of a compressed checkpoint: written from quantized layers, read back, compared.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "engine/checkpoint/quantized_linear.h"
#include "engine/model/model_folder.h"
#include "engine/model/model_shapes.h"
#include "engine/plan/output_layout.h"

namespace pivot {

/// Quantized layers by module name.
using QuantizedLinears = std::map<std::string, QuantizedLinear>;

/// Quantized layers as a shard holds them; all on the CPU.
struct EncodedLinears {
  std::map<std::string, at::Tensor> tensors;  // name -> bytes
  QuantizedLinears linears;
  StorageForm form;
};

/// Codes are packed where they are.
absl::StatusOr<EncodedLinears> EncodeLinears(const QuantizedLinears& linears, const StorageForm& form);

/// Takes the shard's other tensors from the source as they are, or narrowed where the shard has E4M3, and writes the
/// file below `folder`. Then reads it back and compares every code, scale and kept byte with memory: kDataLoss names
/// the first tensor that differs. Uses the CPU alone.
absl::StatusOr<WrittenFile> WriteShard(const std::string& folder, const OutputShard& shard,
                                       const EncodedLinears& encoded, const ModelFolder& source);

/// A quantized layer of a shard.
struct StoredLinear {
  std::string module;
  LinearShape shape;
  LinearStorage storage;
};

/// The linears of a block that have a scheme.
std::vector<StoredLinear> StoredLinears(const ModelConfig& config, int block, const ModelSchemes& schemes);

/// These layers of a finished shard, on the CPU.
absl::StatusOr<QuantizedLinears> ReadShardLinears(const std::string& path, absl::Span<const StoredLinear> linears);

/// The same, dequantized: module name -> weight [out, in] fp32 on the CPU.
absl::StatusOr<std::map<std::string, at::Tensor>> ReadShardWeights(const std::string& path,
                                                                   absl::Span<const StoredLinear> linears);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_BLOCK_SHARD_H_
