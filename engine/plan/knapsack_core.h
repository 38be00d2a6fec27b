// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_KNAPSACK_CORE_H_
#define PIVOT_ENGINE_PLAN_KNAPSACK_CORE_H_

// From the relaxation of the knapsack (knapsack_relaxation.h) to its solution.

#include <cstdint>
#include <vector>

#include "engine/plan/knapsack_relaxation.h"

namespace pivot {

struct CoreSolution {
  Assignment assignment;
  double excess = 0;  // what it may cost more than the least there is; 0: proven to be the least
};

/// Dynamic programming over a growing core of groups, the one first whose other choices are the nearest to the
/// relaxation's, until no group behind can make anything better, or the limits are met. `budget_bytes` is the one that
/// was relaxed. Sums of costs are compared as doubles: what differs by less than a share of 1e-14 is equal.
CoreSolution SearchCore(const std::vector<Frontier>& frontiers, const Relaxation& relaxation, int64_t budget_bytes,
                        const KnapsackLimits& limits);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_KNAPSACK_CORE_H_
