// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_REFINE_WORK_H_
#define PIVOT_ENGINE_PLAN_REFINE_WORK_H_

// Arithmetic and memory that refinement needs, from shapes alone.

#include <cstdint>

#include "engine/plan/work.h"

namespace pivot {

struct RefineWork {
  double blockwise = 0;  // FLOP of the stage's products; 0: it does not run
  double global = 0;
  /// Upper estimate of what the larger stage takes where it computes, the worker's own memory not counted.
  int64_t bytes = 0;
};

/// Of stages that are decided.
RefineWork RefineWorkOf(const ModelConfig& config, const CompressSpec& spec, const RefineOptions& options,
                        DeviceKind device);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_REFINE_WORK_H_
