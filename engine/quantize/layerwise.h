// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_LAYERWISE_H_
#define PIVOT_ENGINE_QUANTIZE_LAYERWISE_H_

// The layer-wise stage: one pass over the decoder blocks, each quantized, written to its shard and entered in the
// journal.

#include <ATen/core/Tensor.h>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/calibration/block_pass.h"
#include "engine/checkpoint/journal.h"
#include "engine/job_hooks.h"
#include "engine/plan/output_layout.h"
#include "engine/plan/work.h"

namespace pivot {

struct LayerwiseInput {
  const WeightReader* source = nullptr;
  const CompressSpec* spec = nullptr;
  const ModelSchemes* schemes = nullptr;
  const std::vector<OutputShard>* shards = nullptr;  // one for each block, in order, and the rest
  std::string shard_folder;
  at::Tensor windows;             // [count, length] int64; undefined for Method::kRtn
  ActivationPlacement placement;  // decides no byte of what is written
  Journal* journal = nullptr;
};

struct LayerwiseResult {
  std::vector<nlohmann::json> blocks;  // entries of the report
  at::Tensor state;  // [1, length, hidden]: the first window behind the last quantized block; undefined for kRtn
};

/// Does every block that the journal does not have yet. Blocks that it has are checked against their shards (a shard
/// that is missing or damaged is done again, with all after it) and only moved through.
absl::StatusOr<LayerwiseResult> RunLayerwise(const LayerwiseInput& input, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_LAYERWISE_H_
