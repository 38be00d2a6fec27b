// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SIMULATION_REFEREE_H_
#define PIVOT_TESTS_SERVER_SIMULATION_REFEREE_H_

// Watches a simulation and says what should not have happened. It keeps books of its own.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/simulation/scenario.h"

namespace pivot {

class Referee {
 public:
  explicit Referee(const Scenario& scenario) : scenario_(scenario) {}

  // What is decided, before it is done.
  void Decided(const QueueSnapshot& snapshot, const Room& room, const Decision& decision);

  // What is done.
  void Claimed(const Grant& grant, int64_t now_us);
  /// The process is gone.
  void Ended(const std::string& uid, int64_t now_us);
  /// A worker of an earlier time was heard.
  void StaleWriteAccepted() { Blame("a stale attempt changed something"); }
  void Blame(const std::string& fault);

  /// Once nothing happens any more.
  void CheckFairness();

  const std::vector<std::string>& faults() const { return faults_; }
  double fairness_error() const { return fairness_error_; }
  /// The longest wait that a lane had beyond its bound's beginning, and of a job, as shares of their bounds.
  double worst_lane() const { return worst_lane_; }
  double worst_job() const { return worst_job_; }

 private:
  struct Owner {
    std::string uid;
    std::string project;
    int64_t start_us = 0;
    JobNeeds needs;
  };
  using Lane = std::pair<std::string, std::string>;

  void CheckRoom(const Room& room, const Grant& grant);
  void CheckOrder(const QueueSnapshot& snapshot, const Room& room, const Decision& decision);
  void CheckBackfill(const QueueSnapshot& snapshot, const Room& room, const Grant& grant);
  void CheckVictim(const QueueSnapshot& snapshot, const RunningJob& victim);
  void CheckWaits(const QueueSnapshot& snapshot);
  int64_t ClaimOf(const QueuedJob& job) const;

  const Scenario& scenario_;
  std::map<std::string, Owner> owners_;  // by lease key
  std::map<Lane, int64_t> claims_us_;
  std::map<std::string, int> num_ahead_;  // older jobs of its lane when a job came
  std::map<std::string, double> device_seconds_;
  std::vector<std::string> faults_;
  double fairness_error_ = 0;
  double worst_lane_ = 0;
  double worst_job_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SIMULATION_REFEREE_H_
