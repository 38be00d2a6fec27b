// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/knapsack.h"

#include <cmath>
#include <ctime>
#include <iostream>
#include <limits>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Groups = std::vector<std::vector<PlanChoice>>;

/// Of all combinations that fit the one of the least cost, of these of the fewest bytes. Costs are added in the order
/// of the groups.
PlanChoice TryAll(const Groups& groups, int64_t budget) {
  PlanChoice best{std::numeric_limits<int64_t>::max(), std::numeric_limits<double>::infinity()};
  std::vector<size_t> at(groups.size(), 0);
  for (size_t g = 0; g < groups.size();) {
    PlanChoice sum;
    for (size_t i = 0; i < groups.size(); ++i) {
      sum.bytes += groups[i][at[i]].bytes;
      sum.cost += groups[i][at[i]].cost;
    }
    const bool is_better = sum.cost < best.cost || (sum.cost == best.cost && sum.bytes < best.bytes);
    if (sum.bytes <= budget && is_better) best = sum;
    for (g = 0; g < groups.size() && ++at[g] == groups[g].size(); ++g) at[g] = 0;
  }
  return best;
}

int64_t MostBytes(const Groups& groups) {
  int64_t total = 0;
  for (const auto& group : groups) {
    int64_t most = 0;
    for (const PlanChoice& choice : group) most = std::max(most, choice.bytes);
    total += most;
  }
  return total;
}

/// The solution is what it says of itself, fits, and is no better than the relaxation.
void ExpectSound(const Groups& groups, int64_t budget, const KnapsackSolution& solution) {
  ASSERT_EQ(solution.choices.size(), groups.size());
  PlanChoice sum;
  for (size_t g = 0; g < groups.size(); ++g) {
    const PlanChoice& choice = groups[g].at(static_cast<size_t>(solution.choices[g]));
    sum.bytes += choice.bytes;
    sum.cost += choice.cost;
  }
  EXPECT_EQ(solution.bytes, sum.bytes);
  EXPECT_EQ(solution.cost, sum.cost);
  EXPECT_LE(solution.bytes, budget);
  EXPECT_LE(solution.relaxed_cost, solution.cost);
  EXPECT_GE(solution.gap, 0);
}

Groups SmallGroups(std::mt19937_64& random, bool whole_costs) {
  const auto below = [&random](uint64_t n) { return random() % n; };
  const uint64_t unit = 1 + below(3);  // sums often share a divisor
  Groups groups(1 + below(6));
  for (auto& group : groups) {
    group.resize(1 + below(5));
    for (PlanChoice& choice : group) {
      choice.bytes = static_cast<int64_t>(below(20) * unit);
      const double cost = static_cast<double>(below(whole_costs ? 12 : 1'000'000'007));
      choice.cost = whole_costs ? cost - 3 : std::exp(cost * 1e-8);
    }
  }
  return groups;
}

TEST(KnapsackTest, FindsWhatTryingAllFinds) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const Groups groups = SmallGroups(random, i % 2 == 0);
    const int64_t least = LeastBytes(groups);
    const int64_t budget = least + static_cast<int64_t>(random() % (MostBytes(groups) - least + 2));
    ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, budget));
    ExpectSound(groups, budget, solution);
    const PlanChoice best = TryAll(groups, budget);
    ASSERT_EQ(solution.cost, best.cost) << "case " << i;
    ASSERT_EQ(solution.bytes, best.bytes) << "case " << i << ": of equal costs the fewest bytes";
    EXPECT_EQ(solution.gap, 0);
  }
}

TEST(KnapsackTest, PrefersFewerBytesAndThenTheLowerIndex) {
  const Groups groups = {{{5, 1}, {4, 1}, {4, 1}, {9, 1}}, {{3, 2}, {3, 2}}};
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, 100));
  EXPECT_THAT(solution.choices, ElementsAre(1, 0));
  EXPECT_EQ(solution.bytes, 7);
  EXPECT_EQ(solution.cost, 3);
}

TEST(KnapsackTest, TakesTheCheapestOfEachGroupWhenTheyFit) {
  const Groups groups = {{{1, 9}, {50, 1}}, {{2, 7}, {60, 0.5}}};
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, std::numeric_limits<int64_t>::max()));
  EXPECT_THAT(solution.choices, ElementsAre(1, 1));
  EXPECT_EQ(solution.relaxed_cost, 1.5);
  EXPECT_EQ(solution.gap, 0);
}

TEST(KnapsackTest, UsesTheLastByte) {
  const Groups groups = {{{10, 8}, {20, 4}, {30, 1}}};
  for (const auto& [budget, choice] : {std::pair{10, 0}, {19, 0}, {20, 1}, {29, 1}, {30, 2}}) {
    ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, budget));
    EXPECT_THAT(solution.choices, ElementsAre(choice)) << budget;
  }
}

TEST(KnapsackTest, FindsChoicesThatNoPriceOfAByteFinds) {
  // The middle one lies above the line from the first to the last.
  const Groups groups = {{{0, 10}, {5, 9}, {10, 0}}};
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, 9));
  EXPECT_THAT(solution.choices, ElementsAre(1));
}

TEST(KnapsackTest, NamesTheLeastBudgetWhenNothingFits) {
  const Groups groups = {{{10, 8}, {20, 4}}, {{7, 0}}};
  EXPECT_EQ(LeastBytes(groups), 17);
  EXPECT_THAT(SolveKnapsack(groups, 16),
              StatusIs(absl::StatusCode::kResourceExhausted, "the smallest choices take 17 bytes, the budget is 16"));
  EXPECT_THAT(SolveKnapsack(groups, -1), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("budget is -1")));
  EXPECT_OK(SolveKnapsack(groups, 17));
}

TEST(KnapsackTest, FitsNothingButFreeChoicesIntoNoBytes) {
  const Groups groups = {{{0, 8}, {1, 0}}, {{0, 3}}};
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, 0));
  EXPECT_EQ(solution.cost, 11);
  EXPECT_EQ(solution.bytes, 0);
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution nothing, SolveKnapsack({}, 0));
  EXPECT_THAT(nothing.choices, IsEmpty());
}

TEST(KnapsackTest, RefusesWhatMakesNoSense) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto refusal = [](const Groups& groups) {
    return std::string(SolveKnapsack(groups, 1'000).status().message());
  };
  EXPECT_EQ(refusal({{{1, 1}}, {}}), "group 1 has no choice");
  EXPECT_EQ(refusal({{{1, 1}, {2, infinity}}}), "group 0 has a cost of inf");
  EXPECT_EQ(refusal({{{1, std::nan("")}}}), "group 0 has a cost of nan");
  EXPECT_EQ(refusal({{{-1, 1}}}), "group 0 has a choice of -1 bytes");
  EXPECT_EQ(refusal({{{int64_t{1} << 62, 1}}, {{1, 1}}}), "the groups' bytes add up to more than 2^62");
  EXPECT_OK(SolveKnapsack(Groups{{{int64_t{1} << 62, 1}}}, int64_t{1} << 62));
}

enum class Costs {
  kByBits,     // 1 to 8 bits
  kByFormats,  // bits and group sizes, and 16 bits that cost nothing
  kByBytes,    // nearly linear
};

/// Layers of a model that the speed is measured of.
struct Landscape {
  std::string name;
  int num_groups = 0;
  double room = 0.4;     // of the bytes between the least and the most
  int num_shapes = 0;    // that all blocks share; 0: every group has bytes of its own
  double deviation = 1;  // of the logarithm of the sensitivity
  Costs costs = Costs::kByBits;
};

std::vector<PlanChoice> Choices(Costs costs, double weights, double sensitivity) {
  std::vector<PlanChoice> choices;
  const auto add = [&](double bits, double overhead, double cost) {
    choices.push_back({static_cast<int64_t>(weights * (bits + overhead) / 8), cost});
  };
  if (costs == Costs::kByFormats) {
    for (const double bits : {2, 3, 4, 8}) add(bits, 16.0 / 128, sensitivity * std::pow(4, -bits));
    for (const double bits : {3, 4, 8}) add(bits, 16.0 / 32, 0.8 * sensitivity * std::pow(4, -bits));
    add(16, 0, 0);
    return choices;
  }
  for (int bits = 1; bits <= 8; ++bits) {
    add(bits, 0.25, sensitivity * std::pow(4, -bits));
    if (costs == Costs::kByBytes)
      choices.back().cost = 1e10 - static_cast<double>(choices.back().bytes) - 1000.0 * bits;
  }
  return choices;
}

Groups Make(const Landscape& landscape) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  // q/k/v, o, gate/up and down of Llama 3 8B, and others like them.
  const std::vector<double> shapes = {25165824, 16777216, 117440512, 58720256, 4194304, 7077888, 33030144, 12582912};
  Groups groups;
  for (size_t g = 0; g < static_cast<size_t>(landscape.num_groups); ++g) {
    const double weights = landscape.num_shapes > 0 ? shapes[g % static_cast<size_t>(landscape.num_shapes)]
                                                    : 1e6 + static_cast<double>(random() % 100'000'000);
    groups.push_back(Choices(landscape.costs, weights, weights * std::exp(landscape.deviation * normal(random))));
  }
  return groups;
}

/// The least cost by dynamic programming over every sum of bytes, counted in `unit` above each group's first choice.
double FillTable(const Groups& groups, int64_t budget, int64_t unit) {
  std::vector<double> costs(static_cast<size_t>((budget - LeastBytes(groups)) / unit) + 1, 0);
  for (const auto& group : groups) {
    for (size_t room = costs.size(); room-- > 0;) {
      double best = std::numeric_limits<double>::infinity();
      for (const PlanChoice& choice : group) {
        const auto units = static_cast<size_t>((choice.bytes - group.front().bytes) / unit);
        if (units <= room) best = std::min(best, costs[room - units] + choice.cost);
      }
      costs[room] = best;
    }
  }
  return costs.back();
}

TEST(KnapsackTest, FindsWhatATableOfAllSumsFinds) {
  const int64_t unit = 1'048'576;  // the greatest common divisor of an eighth of the shapes
  for (const double deviation : {0.0, 0.5, 1.0, 3.0}) {
    const Groups groups = Make({.num_groups = 128, .num_shapes = 4, .deviation = deviation});
    const int64_t least = LeastBytes(groups);
    for (const double room : {0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99}) {
      const auto budget = least + static_cast<int64_t>(room * static_cast<double>(MostBytes(groups) - least));
      ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, budget));
      EXPECT_NEAR(solution.cost / FillTable(groups, budget, unit), 1, 1e-13) << deviation << ", " << room;
      EXPECT_EQ(solution.gap, 0);
    }
  }
}

TEST(KnapsackTest, SaysWhatItHasNotProven) {
  const Groups groups = Make({.num_groups = 128, .costs = Costs::kByBytes});
  const int64_t budget = LeastBytes(groups) * 3;
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution best, SolveKnapsack(groups, budget, {.max_states = 1 << 16}));
  for (const KnapsackLimits& limits : {KnapsackLimits{.max_states = 4}, KnapsackLimits{.max_work = 100}}) {
    ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, budget, limits));
    ExpectSound(groups, budget, solution);
    EXPECT_GT(solution.gap, 0);
    EXPECT_LE(solution.gap, (solution.cost - solution.relaxed_cost) / solution.cost * (1 + 1e-6));
    EXPECT_LE(solution.cost * (1 - solution.gap), best.cost) << "what is proven is true of the best that is known";
  }
}

class KnapsackSpeedTest : public ::testing::TestWithParam<Landscape> {};

TEST_P(KnapsackSpeedTest, IsProvenInTime) {
  const Groups groups = Make(GetParam());
  const int64_t least = LeastBytes(groups);
  const auto budget = least + static_cast<int64_t>(GetParam().room * static_cast<double>(MostBytes(groups) - least));
  const std::clock_t start = std::clock();  // of this process, whatever else the machine does
  ASSERT_OK_AND_ASSIGN(const KnapsackSolution solution, SolveKnapsack(groups, budget));
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  ExpectSound(groups, budget, solution);
  std::cout << GetParam().name << ": " << seconds << " s, gap " << solution.gap << ", above the relaxation "
            << solution.cost / solution.relaxed_cost - 1 << ", bytes left " << budget - solution.bytes << "\n";
  EXPECT_LE(solution.gap, 1e-6);
#if defined(__OPTIMIZE__) && !defined(PIVOT_SANITIZE)
  EXPECT_LE(seconds, groups.size() <= 128 ? 1 : 10);
#endif
}

INSTANTIATE_TEST_SUITE_P(
    Landscapes, KnapsackSpeedTest,
    ::testing::Values(Landscape{.name = "model", .num_groups = 128, .num_shapes = 4},
                      Landscape{.name = "large_model", .num_groups = 504, .num_shapes = 4},
                      Landscape{.name = "own_bytes", .num_groups = 128},
                      Landscape{.name = "own_bytes_few", .num_groups = 128, .room = 0.05},
                      Landscape{.name = "alike", .num_groups = 128, .num_shapes = 1, .deviation = 0},
                      Landscape{.name = "alike_shapes", .num_groups = 128, .num_shapes = 4, .deviation = 0},
                      Landscape{.name = "linear", .num_groups = 128, .num_shapes = 4, .costs = Costs::kByBytes},
                      Landscape{.name = "linear_own_bytes", .num_groups = 128, .costs = Costs::kByBytes},
                      Landscape{.name = "formats", .num_groups = 128, .num_shapes = 4, .costs = Costs::kByFormats},
                      Landscape{.name = "formats_alike",
                                .num_groups = 128,
                                .room = 0.8,
                                .num_shapes = 8,
                                .deviation = 0,
                                .costs = Costs::kByFormats},
                      Landscape{
                          .name = "many_formats", .num_groups = 10'000, .num_shapes = 8, .costs = Costs::kByFormats},
                      Landscape{.name = "many", .num_groups = 10'000, .num_shapes = 8},
                      Landscape{.name = "many_wide", .num_groups = 10'000, .num_shapes = 8, .deviation = 3},
                      Landscape{.name = "many_own_bytes", .num_groups = 10'000},
                      Landscape{.name = "many_alike", .num_groups = 10'000, .num_shapes = 1, .deviation = 0},
                      Landscape{.name = "many_alike_shapes", .num_groups = 10'000, .num_shapes = 8, .deviation = 0},
                      Landscape{.name = "many_linear", .num_groups = 10'000, .num_shapes = 8, .costs = Costs::kByBytes},
                      Landscape{.name = "many_linear_own_bytes", .num_groups = 10'000, .costs = Costs::kByBytes}),
    [](const auto& landscape) { return landscape.param.name; });

}  // namespace
}  // namespace pivot
