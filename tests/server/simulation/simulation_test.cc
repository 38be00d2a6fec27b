// SPDX-License-Identifier: Apache-2.0
// PIVOT_SCHEDULES: how many schedules are simulated; scripts/torture.sh asks for many.
#include "tests/server/simulation/simulation.h"

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/server/simulation/memory_ledger.h"

namespace pivot {
namespace {

using ::testing::IsEmpty;
using Kind = Scenario::Kind;

constexpr int kFewSchedules = 1000;
constexpr int kTwinSeeds = 12;

int NumSchedules() {
  const char* asked = std::getenv("PIVOT_SCHEDULES");
  int number = 0;
  return asked != nullptr && absl::SimpleAtoi(asked, &number) ? number : kFewSchedules;
}

/// Of some seeds of this kind those on whose policy, changed so, the referee has something to say like `fault`.
template <typename Change>
int CountFaults(Kind kind, const std::string& fault, const Change& change) {
  int count = 0;
  for (uint64_t seed = 1; seed <= kTwinSeeds; ++seed) {
    Scenario scenario = DrawScenario(seed, kind);
    change(scenario.options);
    for (const std::string& told : Simulate(scenario).faults) {
      if (told.find(fault) == std::string::npos) continue;
      ++count;
      break;
    }
  }
  return count;
}

TEST(SimulationTest, KeepsItsPromisesInEverySchedule) {
  Trace sum;
  std::map<Kind, int> num_schedules;
  for (int seed = 0; seed < NumSchedules(); ++seed) {
    const Scenario scenario = DrawScenario(static_cast<uint64_t>(seed));
    const Trace trace = Simulate(scenario);
    ASSERT_THAT(trace.faults, IsEmpty());
    ++num_schedules[scenario.kind];
    sum.num_steps += trace.num_steps;
    sum.num_claims += trace.num_claims;
    sum.num_preemptions += trace.num_preemptions;
    sum.num_backfills += trace.num_backfills;
    sum.num_refused += trace.num_refused;
    sum.fairness_error = std::max(sum.fairness_error, trace.fairness_error);
    sum.worst_lane = std::max(sum.worst_lane, trace.worst_lane);
    sum.worst_job = std::max(sum.worst_job, trace.worst_job);
  }
  std::cout << num_schedules[Kind::kChaos] << " schedules of chaos, " << num_schedules[Kind::kStarvation]
            << " of starvation, " << num_schedules[Kind::kFairness] << " of fairness: " << sum.num_claims << " claims, "
            << sum.num_backfills << " of them backfilled, " << sum.num_preemptions << " preemptions, "
            << sum.num_refused << " stale writes refused; largest fairness error " << sum.fairness_error
            << ", longest waits " << sum.worst_lane << " (lane) and " << sum.worst_job << " (job) of their bounds\n";
  EXPECT_GT(sum.num_backfills, 0);
  EXPECT_GT(sum.num_preemptions, 0);
  EXPECT_GT(sum.num_refused, 0);
}

TEST(SimulationTest, DoesTheSameForTheSameSeed) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= 99; ++seed) {
    const uint64_t hash = Simulate(DrawScenario(seed)).hash;
    EXPECT_EQ(hash, Simulate(DrawScenario(seed)).hash) << "seed " << seed;
    hashes.insert(hash);
  }
  EXPECT_EQ(hashes.size(), 99U);
}

// The twins: what the referee must notice.

TEST(SimulationTest, StarvesJobsWithoutAging) {
  const auto ageless = [](PolicyOptions& options) { options.fair_share.aging_seconds = INFINITY; };
  int num_starved = 0;
  for (uint64_t seed = 1; seed <= kTwinSeeds; ++seed) {
    const Scenario scenario = DrawScenario(seed, Kind::kStarvation);
    EXPECT_LE(Simulate(scenario).worst_lane, 1);
    Scenario twin = scenario;
    // The referee goes on measuring by the bound that was promised.
    twin.promised_aging_seconds = scenario.options.fair_share.aging_seconds;
    ageless(twin.options);
    if (Simulate(twin).worst_lane > 1) ++num_starved;
  }
  EXPECT_GE(num_starved, kTwinSeeds / 2);
}

TEST(SimulationTest, IsUnfairWithoutUsage) {
  EXPECT_GE(CountFaults(Kind::kFairness, "the shares differ",
                        [](PolicyOptions& options) { options.fair_share.weighs_usage = false; }),
            kTwinSeeds / 2);
}

TEST(SimulationTest, DelaysTheHeadWithoutReservations) {
  EXPECT_GE(CountFaults(Kind::kChaos, "whose turn it is", [](PolicyOptions& options) { options.reserves = false; }),
            kTwinSeeds / 4);
}

TEST(SimulationTest, PreemptsTooOftenWithoutABound) {
  int count = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Scenario scenario = DrawScenario(seed, Kind::kChaos);
    scenario.promised_preemptions = 1;
    if (!Simulate(scenario).faults.empty()) ++count;
  }
  EXPECT_GE(count, 5);
}

TEST(SimulationTest, NoticesLeasesWithoutTokens) {
  int count = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const Scenario scenario = DrawScenario(seed, Kind::kChaos);
    SimulatedClock clock;
    MemoryLedger ledger(&clock, MemoryLedger::Fencing::kNone);
    for (const std::string& fault : Simulate(scenario, clock, ledger).faults) {
      if (fault.find("stale") == std::string::npos && fault.find("two owners") == std::string::npos) continue;
      ++count;
      break;
    }
  }
  EXPECT_GE(count, 40);
}

}  // namespace
}  // namespace pivot
