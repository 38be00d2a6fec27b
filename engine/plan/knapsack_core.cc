// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/knapsack_core.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>
#include <tuple>
#include <utility>

namespace pivot {
namespace {

// Of a sum of some dozen terms, which is all that bounds are compared with.
constexpr double kRounding = 1e-14;
// By what the first search is narrower than the second.
constexpr int64_t kNarrower = 32;
// Shares of the gap that count as equal when states are many.
constexpr double kBoundLevels = 64;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Another item of a group than the relaxation's.
struct Deviation {
  int64_t bytes;
  double cost;
  double loss;  // cost + efficiency * bytes, which is not negative
  int item;
};

struct CoreGroup {
  int group;
  double loss;  // the least of its deviations'
  std::vector<Deviation> deviations;
};

/// Groups that have a choice besides the relaxation's, the one first whose other choice is the nearest to it.
std::vector<CoreGroup> CoreOf(const std::vector<Frontier>& frontiers, const Relaxation& relaxation) {
  std::vector<CoreGroup> core;
  for (size_t g = 0; g < frontiers.size(); ++g) {
    const FrontierItem& chosen = frontiers[g][static_cast<size_t>(relaxation.whole.items[g])];
    CoreGroup group{static_cast<int>(g), kInfinity, {}};
    for (size_t i = 0; i < frontiers[g].size(); ++i) {
      if (static_cast<int>(i) == relaxation.whole.items[g]) continue;
      const int64_t bytes = frontiers[g][i].bytes - chosen.bytes;
      const double cost = frontiers[g][i].cost - chosen.cost;
      const double loss = std::max(0.0, cost + relaxation.efficiency * static_cast<double>(bytes));
      group.deviations.push_back({bytes, cost, loss, static_cast<int>(i)});
      group.loss = std::min(group.loss, loss);
    }
    if (!group.deviations.empty()) core.push_back(std::move(group));
  }
  std::sort(core.begin(), core.end(), [](const CoreGroup& a, const CoreGroup& b) {
    return std::tie(a.loss, a.group) < std::tie(b.loss, b.group);
  });
  return core;
}

/// What groups from one of the core on can do at best: the most that a byte more saves, the least that a byte fewer
/// costs.
struct Rates {
  double saving = 0;
  double price = kInfinity;
};

std::vector<Rates> RatesOf(const std::vector<CoreGroup>& core) {
  std::vector<Rates> rates(core.size() + 1);
  for (size_t k = core.size(); k-- > 0;) {
    rates[k] = rates[k + 1];
    for (const Deviation& deviation : core[k].deviations) {
      const double rate = -deviation.cost / static_cast<double>(deviation.bytes);
      if (deviation.bytes > 0) rates[k].saving = std::max(rates[k].saving, rate);
      if (deviation.bytes < 0) rates[k].price = std::min(rates[k].price, rate);
    }
  }
  return rates;
}

/// Dynamic programming over the groups of the core. Bytes and costs are differences from the relaxation's solution.
class CoreSearch {
 public:
  CoreSearch(const std::vector<CoreGroup>& core, const Relaxation& relaxation, int64_t budget, double filled_cost,
             const KnapsackLimits& limits)
      : core_(core),
        rates_(RatesOf(core)),
        limits_(limits),
        efficiency_(relaxation.efficiency),
        slack_(budget - relaxation.whole.bytes),
        best_{relaxation.filled.bytes - relaxation.whole.bytes, filled_cost, kFilled, kNone} {}

  /// A narrow search first, whose solution lets a wide one drop more.
  void Run() {
    for (const int64_t width : {limits_.max_states / kNarrower, limits_.max_states}) {
      Pass(std::max<int64_t>(1, width));
      proven_ = std::max(proven_, unsearched_);
      if (Excess() == 0) return;
    }
  }

  /// What the best solution may cost more than the least there is.
  double Excess() const { return IsTight() ? 0 : std::min(Gap(), std::max(0.0, best_.cost - proven_)); }

  /// `relaxation` as the constructor had it.
  Assignment BestAssignment(const Relaxation& relaxation) const {
    if (best_.trail == kFilled) return relaxation.filled;
    Assignment assignment = relaxation.whole;
    assignment.bytes += best_.bytes;
    for (int at = best_.trail; at != kNone; at = trail_[static_cast<size_t>(at)].before)
      assignment.items[static_cast<size_t>(trail_[static_cast<size_t>(at)].group)] =
          trail_[static_cast<size_t>(at)].item;
    return assignment;
  }

 private:
  static constexpr int kNone = -1;
  static constexpr int kFilled = -2;

  struct State {
    int64_t bytes;
    double cost;
    int trail;  // the last of its deviations; those before it follow
    int item;   // the deviation of the group at hand, if there is one
  };
  struct Mark {
    int before;
    int group;
    int item;
  };

  void Pass(int64_t width) {
    width_ = width;
    unsearched_ = kInfinity;
    states_ = {{0, 0, kNone, kNone}};
    Settle(0);
    size_t k = 0;
    for (; !IsDone(k) && work_ < limits_.max_work; ++k) {
      Branch(k);
      Settle(k + 1);
    }
    if (IsDone(k)) return;
    for (const State& state : states_) unsearched_ = std::min(unsearched_, Bound(state, rates_[k]));
  }

  static bool IsBefore(const State& a, const State& b) {
    return std::tie(a.bytes, a.cost, a.trail, a.item) < std::tie(b.bytes, b.cost, b.trail, b.item);
  }

  double AtEfficiency(int64_t bytes) const { return efficiency_ * static_cast<double>(bytes); }

  /// To the relaxation. A solution that loses more is worse than the best.
  double Gap() const { return std::max(0.0, best_.cost + AtEfficiency(slack_)) + Margin(best_.cost, slack_); }

  /// Whether the best solution is the relaxation's, up to rounding.
  bool IsTight() const { return Gap() <= 2 * Margin(best_.cost, slack_); }

  /// Whether groups of the core from this one on can make nothing better: they lose more, or are as good already.
  bool IsDone(size_t k) const { return k == core_.size() || states_.empty() || IsTight() || core_[k].loss > Gap(); }

  double Margin(double cost, int64_t bytes) const {
    return kRounding * (std::abs(cost) + std::abs(AtEfficiency(bytes)));
  }

  /// Of the cost of every solution that a state becomes through groups which have these rates.
  double Bound(const State& state, const Rates& rates) const {
    const int64_t over = state.bytes - slack_;
    const double rest = over == 0 ? 0 : static_cast<double>(over) * (over > 0 ? rates.price : rates.saving);
    return state.cost + rest - Margin(state.cost, state.bytes);
  }

  void Branch(size_t k) {
    const double gap = Gap();
    for (const size_t before = states_.size(); const Deviation& deviation : core_[k].deviations) {
      if (deviation.loss > gap) continue;
      const size_t middle = made_.size();
      for (size_t i = 0; i < before; ++i) {
        const State& state = states_[i];
        const State made{state.bytes + deviation.bytes, state.cost + deviation.cost, state.trail, deviation.item};
        if (Bound(made, rates_[k + 1]) <= best_.cost) made_.push_back(made);
      }
      work_ += static_cast<int64_t>(before);
      std::inplace_merge(made_.begin(), made_.begin() + static_cast<ptrdiff_t>(middle), made_.end(), IsBefore);
    }
    const size_t middle = states_.size();
    states_.insert(states_.end(), made_.begin(), made_.end());
    std::inplace_merge(states_.begin(), states_.begin() + static_cast<ptrdiff_t>(middle), states_.end(), IsBefore);
    made_.clear();
    group_ = core_[k].group;
  }

  /// Drops what is dominated or cannot become better than the best, and enters what is left into the trail.
  void Settle(size_t k) {
    size_t kept = 0;
    double least = kInfinity;
    for (const State& state : states_) {
      if (state.cost >= least || Bound(state, rates_[k]) > best_.cost) continue;
      least = state.cost;
      const bool is_better = std::tie(state.cost, state.bytes) < std::tie(best_.cost, best_.bytes);
      if (state.bytes <= slack_ && is_better) best_ = Entered(state);
      states_[kept++] = state;
    }
    states_.resize(kept);
    if (static_cast<int64_t>(kept) > width_) Narrow(rates_[k]);
    for (State& state : states_) state = Entered(state);
  }

  State Entered(const State& state) {
    if (state.item == kNone) return state;
    trail_.push_back({state.trail, group_, state.item});
    return {state.bytes, state.cost, static_cast<int>(trail_.size()) - 1, kNone};
  }

  /// Keeps the states of the best bounds, and of nearly equal ones those that are the nearest to the budget.
  void Narrow(const Rates& rates) {
    struct Rank {
      double level;
      int64_t distance;
      size_t state;
      auto operator<=>(const Rank&) const = default;
    };
    const double step = Gap() / kBoundLevels;
    std::vector<Rank> ranks;
    ranks.reserve(states_.size());
    for (const State& state : states_) {
      const double level = std::floor((Bound(state, rates) + AtEfficiency(slack_)) / step);
      ranks.push_back({level, std::abs(state.bytes - slack_), ranks.size()});
    }
    const auto last = ranks.begin() + static_cast<ptrdiff_t>(width_);
    std::nth_element(ranks.begin(), last, ranks.end());
    std::for_each(last, ranks.end(), [&](const Rank& rank) {
      State& state = states_[rank.state];
      unsearched_ = std::min(unsearched_, Bound(state, rates));
      state.cost = kInfinity;
    });
    std::erase_if(states_, [](const State& state) { return state.cost == kInfinity; });
  }

  const std::vector<CoreGroup>& core_;
  const std::vector<Rates> rates_;
  const KnapsackLimits limits_;
  const double efficiency_;
  const int64_t slack_;
  State best_;
  int group_ = kNone;
  std::vector<State> states_;
  std::vector<State> made_;
  std::vector<Mark> trail_;
  int64_t work_ = 0;
  int64_t width_ = 0;              // states that a pass keeps
  double unsearched_ = kInfinity;  // the least bound of what a pass gave up
  double proven_ = -kInfinity;     // what no solution that is better than the best costs less than
};

/// Of the filled assignment over the whole one: summed where they differ, which keeps it exact.
double FilledCost(const std::vector<Frontier>& frontiers, const Relaxation& relaxation) {
  double cost = 0;
  for (size_t g = 0; g < frontiers.size(); ++g) {
    const int from = relaxation.whole.items[g];
    const int to = relaxation.filled.items[g];
    if (from != to) cost += frontiers[g][static_cast<size_t>(to)].cost - frontiers[g][static_cast<size_t>(from)].cost;
  }
  return cost;
}

}  // namespace

CoreSolution SearchCore(const std::vector<Frontier>& frontiers, const Relaxation& relaxation, int64_t budget_bytes,
                        const KnapsackLimits& limits) {
  const std::vector<CoreGroup> core = CoreOf(frontiers, relaxation);
  CoreSearch search(core, relaxation, budget_bytes, FilledCost(frontiers, relaxation), limits);
  search.Run();
  return {search.BestAssignment(relaxation), search.Excess()};
}

}  // namespace pivot
