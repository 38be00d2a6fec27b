// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SIMULATION_MEMORY_LEDGER_H_
#define PIVOT_TESTS_SERVER_SIMULATION_MEMORY_LEDGER_H_

// The store's rules over jobs and leases without a database: the same transitions, tokens and books, a thousand times
// as fast. store_ledger_test.cc holds it against the store itself.

#include <map>
#include <string>
#include <utility>

#include "tests/server/simulation/ledger.h"

namespace pivot {

class MemoryLedger : public Ledger {
 public:
  enum class Fencing { kTokens, kNone };
  explicit MemoryLedger(const SimulatedClock* clock, Fencing fencing = Fencing::kTokens)
      : clock_(clock), fencing_(fencing) {}

  std::string Create(const JobOrder& order) override;
  QueueSnapshot Read() override;
  std::optional<AttemptKey> Claim(const Grant& grant) override;
  bool Write(const AttemptKey& key) override;
  bool End(const AttemptKey& key, const Outcome& outcome) override;
  bool Ask(const std::string& uid, Steer steer) override;
  void Restart() override;
  v1::State StateOf(const std::string& uid) override { return jobs_.at(uid).state; }

 private:
  struct Job {
    JobOrder order;
    v1::State state = v1::STATE_QUEUED;
    int attempt = 0;
    int crashes = 0;
    int preemptions = 0;
    int64_t create_us = 0;
    int64_t queue_us = 0;
    int64_t start_us = 0;
    int64_t update_us = 0;
    JobNeeds reserved;
    std::string lease_key;
    DeviceClass device_class = DeviceClass::kCpu;
  };
  struct Lease {
    int64_t token = 0;
    std::string uid;  // empty: free
    int attempt = 0;
  };

  int64_t NextTime();
  bool Holds(const AttemptKey& key) const;
  void Move(Job& job, v1::State to, int64_t now_us);
  void GiveBack(const AttemptKey& key, Job& job, int64_t end_us);

  const SimulatedClock* clock_;
  const Fencing fencing_;
  int64_t last_us_ = 0;
  std::map<std::string, Job> jobs_;
  std::map<std::string, Lease> leases_;
  std::map<std::pair<std::string, DeviceClass>, ProjectUsage> usage_;
  std::map<std::pair<std::string, std::string>, int64_t> claims_us_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SIMULATION_MEMORY_LEDGER_H_
