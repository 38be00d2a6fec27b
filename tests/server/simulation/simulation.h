// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SIMULATION_SIMULATION_H_
#define PIVOT_TESTS_SERVER_SIMULATION_SIMULATION_H_

// A server's life without threads, clocks and processes: the scheduler's policy over a ledger, with everything else
// made up from a seed.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/server/simulation/ledger.h"
#include "tests/server/simulation/scenario.h"

namespace pivot {

struct Trace {
  uint64_t hash = 0;  // of every step, its time, job and device
  int num_steps = 0;
  int num_claims = 0;
  int num_preemptions = 0;
  int num_backfills = 0;  // claims before a job that was before it in the queue
  int num_refused = 0;    // writes of stale attempts
  double fairness_error = 0;
  double worst_lane = 0;  // waits as shares of their bounds
  double worst_job = 0;
  std::vector<std::string> faults;
};

/// `clock` is that of the ledger.
Trace Simulate(const Scenario& scenario, SimulatedClock& clock, Ledger& ledger);

/// In memory.
Trace Simulate(const Scenario& scenario);

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SIMULATION_SIMULATION_H_
