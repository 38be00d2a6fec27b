// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_KNAPSACK_RELAXATION_H_
#define PIVOT_ENGINE_PLAN_KNAPSACK_RELAXATION_H_

// The linear relaxation of the knapsack (knapsack.h), in which a group may have a mixture of two choices.

#include <cstdint>
#include <vector>

#include "engine/plan/knapsack.h"

namespace pivot {

struct FrontierItem {
  int64_t bytes;
  double cost;
  int index;  // of the choice
};
using Frontier = std::vector<FrontierItem>;

/// Choices that no other undercuts: by bytes, costs falling.
Frontier FrontierOf(const std::vector<PlanChoice>& group);

/// A choice of each group, as items of their frontiers.
struct Assignment {
  std::vector<int> items;
  int64_t bytes = 0;
};

struct Relaxation {
  Assignment whole;       // the solution without the step from one choice to the next that it takes a fraction of
  Assignment filled;      // and with every later step that fits
  double efficiency = 0;  // what a byte more saves in that step; 0: everything fits
};

/// Requires frontiers whose fewest bytes are within the budget.
Relaxation Relax(const std::vector<Frontier>& frontiers, int64_t budget_bytes);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_KNAPSACK_RELAXATION_H_
