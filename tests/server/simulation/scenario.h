// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SIMULATION_SCENARIO_H_
#define PIVOT_TESTS_SERVER_SIMULATION_SCENARIO_H_

// What happens in a simulation, drawn from a seed.

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/scheduler/policy.h"
#include "tests/server/simulation/ledger.h"

namespace pivot {

/// A seed's numbers, the same with every standard library.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  uint64_t Next() { return engine_(); }
  /// Of [0, n).
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint64_t>(n)); }
  /// Of [0, 1).
  double Fraction() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  bool Chance(double probability) { return Fraction() < probability; }
  /// Evenly over magnitudes.
  double Between(double low, double high);

 private:
  std::mt19937_64 engine_;
};

/// A job, and what nobody knows before it has run.
struct ScriptedJob {
  JobOrder order;
  int64_t arrival_us = 0;
  double true_seconds = 0;
  double crash_probability = 0;  // of an attempt
  double failure_probability = 0;
};

struct ForeignMemory {
  int64_t time_us = 0;
  int gpu = 0;
  int64_t bytes = 0;
};

struct Scenario {
  enum class Kind { kChaos, kStarvation, kFairness };

  uint64_t seed = 0;
  Kind kind = Kind::kChaos;
  Room room;  // of an idle machine
  PolicyOptions options;
  std::vector<ScriptedJob> jobs;
  std::vector<int64_t> restarts_us;
  std::vector<ForeignMemory> foreign;
  double steer_probability = 0;  // that an event is followed by a client's call
  double longest_seconds = 0;    // of true_seconds
  int64_t endless_until_us = 0;  // jobs that end before come anew, as other jobs of the same script
  int num_projects = 0;

  // What the referee goes by, where it is not what the options say.
  std::optional<double> promised_aging_seconds;
  std::optional<int> promised_preemptions;
};

/// Of the kind that the seed says: every 100th is of fairness, every 10th of starvation.
Scenario DrawScenario(uint64_t seed);
Scenario DrawScenario(uint64_t seed, Scenario::Kind kind);

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SIMULATION_SCENARIO_H_
