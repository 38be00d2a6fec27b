// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_KNAPSACK_H_
#define PIVOT_ENGINE_PLAN_KNAPSACK_H_

// The multiple-choice knapsack: which of its formats each group of layers gets, when all together have a budget.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pivot {

struct PlanChoice {
  int64_t bytes = 0;
  double cost = 0;
};

struct KnapsackSolution {
  std::vector<int> choices;  // of each group, an index into its choices
  int64_t bytes = 0;
  double cost = 0;
  double relaxed_cost = 0;  // of the linear relaxation: nothing that fits costs less
  double gap = 0;           // share of |cost| by which it may exceed the least there is; 0: proven to be the least
};

/// How much is searched. Where it is not enough the solution says so in its gap. Neither is a time, so that equal
/// problems have equal solutions on every machine.
struct KnapsackLimits {
  int64_t max_states = int64_t{1} << 15;  // partial solutions kept of one step
  int64_t max_work = int64_t{1} << 26;    // partial solutions made in all
};

/// Sum of every group's fewest bytes: the least budget that has a solution. Requires groups that are not empty.
int64_t LeastBytes(absl::Span<const std::vector<PlanChoice>> groups);

/// One choice of each group, so that their bytes are at most the budget and their cost is the least. Of choices in a
/// group that cost the same the one with fewer bytes, then the one of the lower index; of solutions that cost the same
/// the one with fewer bytes. A pure function of its arguments.
///
/// Equation: min sum_g cost[g][x_g] subject to sum_g bytes[g][x_g] <= budget.
/// Source: the convex hulls and the greedy solution of the relaxation as in Sinha and Zoltners, "The multiple-choice
/// knapsack problem" (1979); from there on dynamic programming over a growing core of groups, partial solutions pruned
/// by dominance and by the relaxation of what is left, after Pisinger, "A minimal algorithm for the multiple-choice
/// knapsack problem" (1995). The budget is first rounded down to what sums of bytes can reach (their greatest common
/// divisor), which closes most of the gap where many groups have one shape.
/// Errors: kInvalidArgument for an empty group, a cost that is not finite, negative bytes, or bytes that add up to more
/// than 2^62; kResourceExhausted, naming LeastBytes, when these are more than the budget.
/// Cost: n log n for n choices, and the core, which is some dozens of groups where costs differ: milliseconds for a
/// hundred groups, tenths of a second for ten thousand. Where costs follow bytes, or are the same in most groups, the
/// core is all groups and the limits end it, which leaves a gap of about 1e-9 with bytes that differ, and of up to 1e-4
/// with hundreds of groups that are exactly alike. The gap is what was not proven: where another solver proved the
/// least cost of such problems, the solution had it (tests/engine/plan/knapsack_oracle_test.py).
absl::StatusOr<KnapsackSolution> SolveKnapsack(absl::Span<const std::vector<PlanChoice>> groups, int64_t budget_bytes,
                                               const KnapsackLimits& limits = {});

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_KNAPSACK_H_
