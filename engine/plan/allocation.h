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

/// Layers of a block that must have one scheme: what a runtime fuses, and all experts. Or both ends of the model.
struct PlanUnit {
  int block = 0;
  std::vector<LinearRole> roles;  // empty: the ends
  std::string name;               // "model.layers.3.self_attn.qkv_proj": the fused name, or the layer's own; "ends"
  int64_t weights = 0;            // of all its layers

  bool is_ends() const { return roles.empty(); }
};

/// Those of the blocks, in their order, and in each of the forward pass.
std::vector<PlanUnit> PlanUnits(const ModelConfig& config);

/// PlanUnits, and behind them the ends where they may be narrow: in formats that hold it (WhyNotNarrow), and under a
/// budget of files, since a runtime has them in its memory as ever.
std::vector<PlanUnit> PlanUnits(const ModelFolder& source, const CompressSpec& spec);

/// The schemes that a unit of the blocks may have in all of the job's formats: symmetric integers of every width that
/// they hold, in the spec's groups and in larger ones of 32, 64 and 128 columns. Of a spec with zero points the widths
/// that go with them.
std::vector<WeightScheme> UnitSchemes(const ModelConfig& config, const CompressSpec& spec, const PlanUnit& unit);

/// A scheme that a unit may have; nothing: its layers stay as they are. Or the ends.
struct UnitChoice {
  std::optional<WeightScheme> scheme;
  NarrowEnds ends;
  int64_t bytes = 0;  // of the unit's tensors as they will be written, in all folders of the output
  double cost = 0;    // what it adds to the mean KL divergence of a token, nats
};

/// What each of PlanUnits(source, spec) may become: its UnitSchemes, and the unquantized layer; of the ends each as it
/// is and narrow. Bytes are filled in, costs are not.
std::vector<std::vector<UnitChoice>> UnitChoices(const ModelFolder& source, const CompressSpec& spec);

/// "3"; "3/128" in other groups than `base`; "16" for unquantized. Of the ends "as_is", "embedding", "head",
/// "embedding+head".
std::string ChoiceName(const PlanUnit& unit, const UnitChoice& choice, const WeightScheme& base);

/// Whether the choice is a uniform model's of this width.
bool IsUniformChoice(const PlanUnit& unit, const UnitChoice& choice, const WeightScheme& uniform);

/// Costs before anything is measured: sensitivities of a weight by the kind of layer and the place of its block, as
/// they were on small models, and an error that falls by 4 with each bit and grows a little with the group.
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
