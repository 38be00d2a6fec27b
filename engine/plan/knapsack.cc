// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/knapsack.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"

#include "engine/plan/knapsack_core.h"
#include "engine/plan/knapsack_relaxation.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Groups = absl::Span<const std::vector<PlanChoice>>;

constexpr int64_t kMostBytes = int64_t{1} << 62;
constexpr double kSmallest = std::numeric_limits<double>::min();

/// The same budget, but for what no sum of bytes can reach.
int64_t ReachableBudget(const std::vector<Frontier>& frontiers, int64_t least_bytes, int64_t budget_bytes) {
  int64_t divisor = 0;
  for (const Frontier& frontier : frontiers) {
    for (const FrontierItem& item : frontier) divisor = std::gcd(divisor, item.bytes - frontier.front().bytes);
  }
  return divisor == 0 ? least_bytes : budget_bytes - (budget_bytes - least_bytes) % divisor;
}

absl::Status CheckGroups(Groups groups) {
  int64_t room = kMostBytes;
  for (size_t g = 0; g < groups.size(); ++g) {
    int64_t most = 0;
    for (const PlanChoice& choice : groups[g]) {
      if (!std::isfinite(choice.cost))
        return absl::InvalidArgumentError(absl::StrCat("group ", g, " has a cost of ", choice.cost));
      if (choice.bytes < 0)
        return absl::InvalidArgumentError(absl::StrCat("group ", g, " has a choice of ", choice.bytes, " bytes"));
      most = std::max(most, choice.bytes);
    }
    if (groups[g].empty()) return absl::InvalidArgumentError(absl::StrCat("group ", g, " has no choice"));
    if (most > room) return absl::InvalidArgumentError("the groups' bytes add up to more than 2^62");
    room -= most;
  }
  return absl::OkStatus();
}

double CostOf(const std::vector<Frontier>& frontiers, const Assignment& assignment) {
  double cost = 0;
  for (size_t g = 0; g < frontiers.size(); ++g) cost += frontiers[g][static_cast<size_t>(assignment.items[g])].cost;
  return cost;
}

}  // namespace

int64_t LeastBytes(Groups groups) {
  int64_t total = 0;
  for (const std::vector<PlanChoice>& group : groups) {
    total += std::min_element(group.begin(), group.end(), [](const PlanChoice& a, const PlanChoice& b) {
               return a.bytes < b.bytes;
             })->bytes;
  }
  return total;
}

absl::StatusOr<KnapsackSolution> SolveKnapsack(Groups groups, int64_t budget_bytes, const KnapsackLimits& limits) {
  PIVOT_RETURN_IF_ERROR(CheckGroups(groups));
  const int64_t least_bytes = LeastBytes(groups);
  if (least_bytes > budget_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the smallest choices take ", least_bytes, " bytes, the budget is ", budget_bytes));
  }
  std::vector<Frontier> frontiers;
  frontiers.reserve(groups.size());
  for (const std::vector<PlanChoice>& group : groups) frontiers.push_back(FrontierOf(group));
  const int64_t budget = ReachableBudget(frontiers, least_bytes, budget_bytes);
  const Relaxation relaxation = Relax(frontiers, budget);
  const CoreSolution best = SearchCore(frontiers, relaxation, budget, limits);

  KnapsackSolution solution;
  solution.bytes = best.assignment.bytes;
  solution.cost = CostOf(frontiers, best.assignment);
  for (size_t g = 0; g < frontiers.size(); ++g)
    solution.choices.push_back(frontiers[g][static_cast<size_t>(best.assignment.items[g])].index);
  const double saved = relaxation.efficiency * static_cast<double>(budget - relaxation.whole.bytes);
  solution.relaxed_cost = std::min(solution.cost, CostOf(frontiers, relaxation.whole) - saved);
  solution.gap = best.excess == 0 ? 0 : best.excess / std::max(std::abs(solution.cost), kSmallest);
  return solution;
}

}  // namespace pivot
