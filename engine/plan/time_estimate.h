// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_TIME_ESTIMATE_H_
#define PIVOT_ENGINE_PLAN_TIME_ESTIMATE_H_

// Seconds that the stages of a compress job will take. Fitted to what was measured (docs/benchmarks.md,
// docs/quality.md); a machine may be twice as fast or half, and others may want it too.

#include <string>
#include <vector>

#include "engine/model/model_config.h"
#include "engine/plan/measure_work.h"
#include "engine/plan/work.h"

namespace pivot {

/// What products of a CPU are computed with.
enum class ProductUnit { kFloat32, kBfloat16 /* AVX512_BF16 */, kTiles /* AMX */ };

struct Machine {
  DeviceKind kind = DeviceKind::kCpu;
  int threads = 1;  // of a CPU
  ProductUnit unit = ProductUnit::kFloat32;
};

/// This host's CPU and its threads, or a GPU.
Machine ThisMachine(DeviceKind kind);

struct StageTime {
  std::string name;  // "measure" where a plan is measured, "layerwise", "evaluate", "blockwise", "global"
  double seconds = 0;
};

struct TimeEstimate {
  double start_seconds = 0;
  std::vector<StageTime> stages;

  double total() const;
};

/// A stage of a CPU is what its threads share, the products, and what one of them does, which is in proportion to the
/// weights; a stage of a GPU its products and what every block takes whatever the text.
TimeEstimate EstimateTime(const ModelConfig& config, const CompressSpec& spec, const CompressWork& work,
                          const MeasureWork& measure, const RefineOptions& refine, const Machine& machine);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_TIME_ESTIMATE_H_
