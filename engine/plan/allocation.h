// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_ALLOCATION_H_
#define PIVOT_ENGINE_PLAN_ALLOCATION_H_

// Bits where they matter: a scheme for each set of layers that serving runtimes fuse, so that what all choices cost
// together is least within a number of bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/format/model_schemes.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// Layers of a block that must have one scheme: what a runtime fuses, and all experts.
struct PlanUnit {
  int block = 0;
  std::vector<LinearRole> roles;
  std::string name;     // "model.layers.3.self_attn.qkv_proj": the fused name, or the layer's own
  int64_t weights = 0;  // of all its layers
};

/// In the order of blocks, and in each of the forward pass.
std::vector<PlanUnit> PlanUnits(const ModelConfig& config);

/// A scheme that a unit may have; nothing: its layers stay as they are.
struct UnitChoice {
  std::optional<WeightScheme> scheme;
  int64_t bytes = 0;  // of the unit's tensors as they will be written, in all folders of the output
  double cost = 0;    // what it adds to the mean KL divergence of a token, nats
};

/// What each unit may become in the job's formats: symmetric integers of every width that all of them hold, in the
/// spec's groups, and the unquantized layer. Bytes are filled in, costs are not. Of a spec with zero points the widths
/// that go with them.
std::vector<std::vector<UnitChoice>> UnitChoices(const ModelFolder& source, const CompressSpec& spec);

/// The width of a choice; 16 for unquantized.
int WidthOf(const UnitChoice& choice);

/// Costs before anything is measured: sensitivities of a weight by the kind of layer and the place of its block, as
/// they were on small models, and an error that falls by 4 with each bit.
void FillPriorCosts(const ModelConfig& config, const std::vector<PlanUnit>& units,
                    std::vector<std::vector<UnitChoice>>& choices);

struct Allocation {
  ModelSchemes schemes;
  std::vector<int> chosen;  // of each unit
  double cost = 0;          // sum
  double gap = 0;           // of the sum, relative: 0 when no choice is better
  int64_t total_bytes = 0;  // of the output: OutputBytes
};

/// The cheapest choices whose output has at most this many bytes, as OutputBytes counts them. kFailedPrecondition
/// (BUDGET_TOO_SMALL) with the bytes that are missing when even the smallest choices do not fit.
absl::StatusOr<Allocation> Allocate(const ModelFolder& source, const CompressSpec& spec,
                                    const std::vector<PlanUnit>& units,
                                    const std::vector<std::vector<UnitChoice>>& choices, int64_t max_bytes);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_ALLOCATION_H_
