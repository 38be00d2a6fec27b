// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_LIVES_H_
#define PIVOT_TESTS_TORTURE_LIVES_H_

// One server's many lives, each of which ends at a moment that nobody chose, under load; between them it is looked at.

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/torture/books.h"
#include "tests/torture/checker.h"
#include "tests/torture/client.h"
#include "tests/torture/tortured_server.h"

namespace pivot {

class Lives {
 public:
  explicit Lives(uint64_t seed);

  /// What the server gets into its environment each time that it starts.
  void SetEnvironment(std::vector<std::string> environment) { environment_ = std::move(environment); }
  /// Called after each kill, before the next start.
  void AfterEachKill(std::function<void(std::mt19937_64&)> action) { after_kill_ = std::move(action); }

  /// So many kills, some of them before it is ready; then a look at everything.
  void Run(int kills);

  TorturedServer& server() { return server_; }
  /// "750 kills under load and 250 while it started: 60000 answers, 7000 jobs..."
  std::string Summary();

 private:
  void Start();
  void LiveAndDie();
  void Kill();

  std::mt19937_64 random_;
  TorturedServer server_;
  Books books_;
  Checker checker_{&books_};
  ProjectLog log_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::string> environment_;
  std::function<void(std::mt19937_64&)> after_kill_;
  int kills_ = 0;
  int kills_in_start_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_LIVES_H_
