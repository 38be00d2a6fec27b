// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_PIVOTD_PROCESS_H_
#define PIVOT_TESTS_SERVER_PIVOTD_PROCESS_H_

// A pivotd as a process of its own.

#include <string>
#include <vector>

#include "server/process/spawn.h"
#include "server/process/unique_fd.h"

namespace pivot {

class PivotdProcess {
 public:
  struct Options {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string worker = PIVOT_FAKE_WORKER;
  };

  /// Starts it with scripted workers; --ready-fd and --lifeline-fd are added.
  explicit PivotdProcess(const Options& options);
  PivotdProcess(const PivotdProcess&) = delete;
  PivotdProcess& operator=(const PivotdProcess&) = delete;
  /// Kills it if it still runs.
  ~PivotdProcess();

  /// The addresses it says it is ready on; none when it ended instead.
  std::vector<std::string> AwaitReady();

  void Signal(int signal) const;
  void CloseLifeline() { lifeline_.Close(); }

  /// Waits for its end. What it wrote is then in `output`.
  ProcessEnd AwaitEnd();
  /// stdout and stderr together.
  const std::string& output() const { return output_; }

 private:
  ChildProcess process_;
  UniqueFd ready_;
  UniqueFd lifeline_;
  UniqueFd text_;  // a file without a name
  std::string output_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_PIVOTD_PROCESS_H_
