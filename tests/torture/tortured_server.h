// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_TORTURED_SERVER_H_
#define PIVOT_TESTS_TORTURE_TORTURED_SERVER_H_

// A pivotd that is started over and over on one data folder, with scripted workers on two GPUs that are not there and
// the CPU.

#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/checkpoints.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/server/pivotd_process.h"
#include "tests/support/temporary_folder.h"

namespace pivot {

/// All jobs of the tests are in it.
inline constexpr char kProject[] = "projects/torture";

/// A connection of its own, that connects again at once when asked.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address);

class TorturedServer {
 public:
  TorturedServer();

  /// What the workers do, from the next one on; tests/support/fake_worker.cc.
  void SetScript(const nlohmann::json& script);

  /// Starts it, with more in its environment, and does not wait.
  void Launch(const std::vector<std::string>& environment = {});
  /// Whether it became ready, and did not end instead.
  bool AwaitReady();
  bool Start(const std::vector<std::string>& environment = {});
  void Signal(int signal) const { process_->Signal(signal); }
  /// Waits for its end, and for that of its workers.
  ProcessEnd AwaitEnd();
  void Kill();
  /// Of one that did not become ready: what it wrote.
  std::string EndAndTell();
  /// SIGTERM; it must end with 0.
  void Stop();

  v1::Jobs::Stub& jobs() { return *jobs_; }
  v1::Checkpoints::Stub& checkpoints() { return *checkpoints_; }
  std::string address() const { return "unix:" + data() + "/pivotd.sock"; }

  const TemporaryFolder& folder() const { return folder_; }
  std::string data() const { return folder_ / "data"; }
  std::string model() const { return folder_ / "model"; }
  /// What the server that ended last wrote.
  const std::string& output() const { return output_; }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<PivotdProcess> process_;
  std::unique_ptr<v1::Jobs::Stub> jobs_;
  std::unique_ptr<v1::Checkpoints::Stub> checkpoints_;
  std::string output_;
};

/// Processes that run with `folder` in their environment, but for the server.
int CountWorkersOf(const std::string& folder);

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_TORTURED_SERVER_H_
