// SPDX-License-Identifier: Apache-2.0
// The store does, step by step, what the simulation's ledger in memory does.
#include "tests/server/simulation/store_ledger.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/server/simulation/memory_ledger.h"
#include "tests/server/simulation/simulation.h"

namespace pivot {
namespace {

using ::testing::IsEmpty;

constexpr uint64_t kSeeds = 12;

Trace SimulateInStore(const Scenario& scenario) {
  SimulatedClock clock;
  StoreLedger ledger(&clock);
  return Simulate(scenario, clock, ledger);
}

TEST(StoreLedgerTest, LivesEveryScheduleAsTheLedgerInMemoryDoes) {
  int num_refused = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Scenario scenario = DrawScenario(seed, Scenario::Kind::kChaos);
    const Trace in_store = SimulateInStore(scenario);
    const Trace in_memory = Simulate(scenario);
    EXPECT_THAT(in_store.faults, IsEmpty());
    EXPECT_EQ(in_store.num_claims, in_memory.num_claims) << "seed " << seed;
    EXPECT_EQ(in_store.num_refused, in_memory.num_refused) << "seed " << seed;
    EXPECT_EQ(in_store.hash, in_memory.hash) << "seed " << seed;
    num_refused += in_store.num_refused;
  }
  EXPECT_GT(num_refused, 0);
}

TEST(StoreLedgerTest, DiffersFromALedgerWithoutTokens) {
  int num_different = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Scenario scenario = DrawScenario(seed, Scenario::Kind::kChaos);
    SimulatedClock clock;
    MemoryLedger ledger(&clock, MemoryLedger::Fencing::kNone);
    if (Simulate(scenario, clock, ledger).hash != Simulate(scenario).hash) ++num_different;
  }
  EXPECT_GT(num_different, 0);
}

}  // namespace
}  // namespace pivot
