// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SIMULATION_LEDGER_H_
#define PIVOT_TESTS_SERVER_SIMULATION_LEDGER_H_

// Who holds which device: what a simulation keeps its jobs in.

#include <cstdint>
#include <optional>
#include <string>

#include "server/scheduler/policy.h"
#include "server/store/records.h"
#include "server/store/transition.h"
#include "server/worker/outcome.h"

namespace pivot {

struct JobOrder {
  std::string project;
  int priority = 50;
  std::string device = "auto";
  JobNeeds needs;
};

/// Writes are refused (false, nothing) when somebody else was first or the lease is another's by now.
class Ledger {
 public:
  virtual ~Ledger() = default;

  virtual std::string Create(const JobOrder& order) = 0;
  virtual QueueSnapshot Read() = 0;
  virtual std::optional<AttemptKey> Claim(const Grant& grant) = 0;
  /// Something that a worker has to say.
  virtual bool Write(const AttemptKey& key) = 0;
  virtual bool End(const AttemptKey& key, const Outcome& outcome) = 0;
  virtual bool Ask(const std::string& uid, Steer steer) = 0;
  /// The server died and was started again.
  virtual void Restart() = 0;
  virtual v1::State StateOf(const std::string& uid) = 0;
};

/// The time of a simulation.
struct SimulatedClock {
  int64_t now_us = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SIMULATION_LEDGER_H_
