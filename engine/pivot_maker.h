// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PIVOT_MAKER_H_
#define PIVOT_ENGINE_PIVOT_MAKER_H_

// From shards to a folder that was looked at and measured: what every stage does with what it has made.

#include <ATen/core/Tensor.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/evaluate/quality.h"
#include "engine/evaluate/reload_check.h"
#include "engine/job_hooks.h"
#include "engine/plan/output_layout.h"
#include "engine/plan/plan.h"

namespace pivot {

/// What all pivots of a job share. Nothing is owned.
struct PivotContext {
  const WeightReader* source = nullptr;
  const CompressSpec* spec = nullptr;
  const ModelSchemes* schemes = nullptr;
  const Plan* plan = nullptr;
  const std::vector<OutputShard>* shards = nullptr;
  std::string staging_folder;
};

struct MadePivot {
  std::string directory;                     // below the staging folder
  std::unique_ptr<CheckpointFolder> folder;  // in the spec's layout
  std::optional<double> reload_kl;           // against the model in memory; nothing: not compared
};

/// Puts the folder pivot-N together of the shards in `shard_folder`, which has those of all blocks, and makes every
/// other format of it that is asked for. It would load (CheckLoadable), and is the model that was in memory, as far as
/// the trace tells.
absl::StatusOr<MadePivot> MakePivot(const PivotContext& context, int number, const std::string& shard_folder,
                                    const MemoryTrace& trace, const JobHooks& hooks);

/// Original and pivot on these windows, as the stage of this name.
absl::StatusOr<Comparison> MeasurePivot(const PivotContext& context, const MadePivot& pivot,
                                        const std::vector<at::Tensor>& windows, const std::string& stage,
                                        const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PIVOT_MAKER_H_
