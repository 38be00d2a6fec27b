// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/knapsack_relaxation.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pivot {
namespace {

/// What a byte more saves on the way from one item to a larger one.
double Efficiency(const FrontierItem& from, const FrontierItem& to) {
  return (from.cost - to.cost) / static_cast<double>(to.bytes - from.bytes);
}

/// From one corner of a group's convex hull to the next.
struct Step {
  double efficiency;
  int group;
  int to;  // item of the frontier
};

void AddSteps(const Frontier& frontier, int group, std::vector<Step>& steps) {
  std::vector<int> corners;
  const auto item = [&](size_t corner) -> const FrontierItem& {
    return frontier[static_cast<size_t>(corners[corner])];
  };
  for (size_t i = 0; i < frontier.size(); ++i) {
    while (corners.size() > 1 && Efficiency(item(corners.size() - 2), item(corners.size() - 1)) <=
                                     Efficiency(item(corners.size() - 1), frontier[i])) {
      corners.pop_back();
    }
    corners.push_back(static_cast<int>(i));
  }
  for (size_t i = 1; i < corners.size(); ++i) steps.push_back({Efficiency(item(i - 1), item(i)), group, corners[i]});
}

}  // namespace

Frontier FrontierOf(const std::vector<PlanChoice>& group) {
  Frontier items;
  for (size_t i = 0; i < group.size(); ++i) items.push_back({group[i].bytes, group[i].cost, static_cast<int>(i)});
  std::sort(items.begin(), items.end(), [](const FrontierItem& a, const FrontierItem& b) {
    return std::tie(a.bytes, a.cost, a.index) < std::tie(b.bytes, b.cost, b.index);
  });
  Frontier kept;
  for (const FrontierItem& item : items) {
    if (kept.empty() || item.cost < kept.back().cost) kept.push_back(item);
  }
  return kept;
}

Relaxation Relax(const std::vector<Frontier>& frontiers, int64_t budget_bytes) {
  std::vector<Step> steps;
  Assignment at{std::vector<int>(frontiers.size(), 0), 0};
  for (size_t g = 0; g < frontiers.size(); ++g) {
    AddSteps(frontiers[g], static_cast<int>(g), steps);
    at.bytes += frontiers[g].front().bytes;
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
    return std::tie(b.efficiency, a.group, a.to) < std::tie(a.efficiency, b.group, b.to);
  });
  Relaxation relaxation;
  for (const Step& step : steps) {
    const Frontier& frontier = frontiers[static_cast<size_t>(step.group)];
    int& item = at.items[static_cast<size_t>(step.group)];
    const int64_t more = frontier[static_cast<size_t>(step.to)].bytes - frontier[static_cast<size_t>(item)].bytes;
    if (at.bytes + more > budget_bytes) {
      if (relaxation.efficiency == 0) {
        relaxation.efficiency = step.efficiency;
        relaxation.whole = at;
      }
      continue;
    }
    item = step.to;
    at.bytes += more;
  }
  relaxation.filled = std::move(at);
  if (relaxation.efficiency == 0) relaxation.whole = relaxation.filled;
  return relaxation;
}

}  // namespace pivot
