// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_ALLOCATE_SENSITIVITY_H_
#define PIVOT_ENGINE_ALLOCATE_SENSITIVITY_H_

// What each choice of a width costs: estimated from second moments and curvature, and held against what a few choices
// really cost.

#include <ATen/core/Tensor.h>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/allocate/curvature.h"
#include "engine/plan/allocation.h"

namespace pivot {

/// One unit quantized alone, every other layer as it was.
struct Probe {
  int unit = 0;  // index
  int bits = 0;
  double estimated = 0;  // nats
  double measured = 0;   // mean KL divergence of a token over the probe's windows
};

struct SensitivityInput {
  const WeightReader* source = nullptr;
  const CompressSpec* spec = nullptr;
  const std::vector<PlanUnit>* units = nullptr;
  at::Tensor windows;  // [n, length] int64 on the CPU
  int64_t tile_windows = 1;
  int max_probes = 16;  // at a unit's narrowest codes, spread over the model
  int64_t probe_windows = 4;
  std::function<bool()> is_cancelled;
  std::function<void(int done, int total)> progress;
};

struct Sensitivity {
  std::vector<Probe> probes;
  /// Spearman's, of the probes' estimates and measurements; 0 with fewer than three.
  double rank_correlation = 0;
  /// Curvature::defect. When it is not empty every unit but experts was measured by a probe, and none estimated.
  std::string defect;
};

/// Fills in the costs of all choices.
///
/// Definition: dW of a choice is the error that GPTQ without error propagation makes on the windows; its cost is
///             1/2 sum_q b_q dW_q A dW_q^T (Curvature) summed over the unit's layers, times what probes found beside
///             such estimates. Widths up to 3 bits are quantized, of wider ones the error is taken to fall by 4 with
///             each bit. Narrow ends cost the KL divergence that a run with them has.
/// Errors:     kCancelled, and those of the solvers.
/// Cost:       MeasureCurvature; one pass for the moments; a solution of each layer for each width up to 3; for each
///             probe a forward pass over its windows.
absl::StatusOr<Sensitivity> MeasureSensitivity(const SensitivityInput& input,
                                               std::vector<std::vector<UnitChoice>>& choices);

}  // namespace pivot

#endif  // PIVOT_ENGINE_ALLOCATE_SENSITIVITY_H_
