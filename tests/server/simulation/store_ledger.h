// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SIMULATION_STORE_LEDGER_H_
#define PIVOT_TESTS_SERVER_SIMULATION_STORE_LEDGER_H_

// The store itself as a simulation's ledger.

#include <memory>
#include <string>

#include "server/store/store.h"
#include "tests/server/simulation/ledger.h"
#include "tests/support/temporary_folder.h"

namespace pivot {

class StoreLedger : public Ledger {
 public:
  explicit StoreLedger(const SimulatedClock* clock);

  std::string Create(const JobOrder& order) override;
  QueueSnapshot Read() override;
  std::optional<AttemptKey> Claim(const Grant& grant) override;
  bool Write(const AttemptKey& key) override;
  bool End(const AttemptKey& key, const Outcome& outcome) override;
  bool Ask(const std::string& uid, Steer steer) override;
  /// With the database closed and opened again.
  void Restart() override;
  v1::State StateOf(const std::string& uid) override;

 private:
  void Open();

  const SimulatedClock* clock_;
  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SIMULATION_STORE_LEDGER_H_
