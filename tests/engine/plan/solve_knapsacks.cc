// SPDX-License-Identifier: Apache-2.0
// Solves the knapsacks of standard input and prints a line for each: what knapsack_oracle_test.py holds against another
// solver's. A problem is its budget and the number of its groups, and each group the number of its choices and bytes
// and cost of each. A line of the output is bytes, cost, relaxed cost and gap.

#include <cstdio>
#include <iostream>
#include <vector>

#include "engine/plan/knapsack.h"

namespace {

std::vector<std::vector<pivot::PlanChoice>> ReadGroups(size_t count) {
  std::vector<std::vector<pivot::PlanChoice>> groups(count);
  for (auto& group : groups) {
    size_t choices = 0;
    std::cin >> choices;
    group.resize(choices);
    for (pivot::PlanChoice& choice : group) std::cin >> choice.bytes >> choice.cost;
  }
  return groups;
}

}  // namespace

int main() {
  int64_t budget = 0;
  for (size_t count = 0; std::cin >> budget >> count;) {
    const auto groups = ReadGroups(count);
    const auto solution = pivot::SolveKnapsack(groups, budget);
    if (!solution.ok()) {
      std::cerr << solution.status() << "\n";
      return 1;
    }
    std::printf("%lld %.17g %.17g %.17g\n", static_cast<long long>(solution->bytes), solution->cost,
                solution->relaxed_cost, solution->gap);
  }
  return 0;
}
