// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_RUNNING_SERVER_H_
#define PIVOT_TESTS_SERVER_RUNNING_SERVER_H_

// A server in this process with scripted workers, and stubs that call it.

#include <functional>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/capabilities.grpc.pb.h"
#include "pivot/v1/checkpoints.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "server/server.h"
#include "tests/support/temporary_folder.h"

namespace pivot {

inline constexpr char kProject[] = "projects/test";

class RunningServer {
 public:
  RunningServer();
  ~RunningServer();

  /// What the next Start() uses. Watchdogs are short, heartbeats of streams far apart.
  ServerOptions options;

  /// Starts, or starts again on the same data folder. Fails the test when it cannot.
  void Start();
  void Stop();
  Server& server() { return *server_; }

  /// What workers do that start from now on; see tests/support/fake_worker.cc.
  void SetScript(const nlohmann::json& steps);

  /// A file that a script may wait for: Open() lets it go on.
  std::string Gate(absl::string_view name) const;
  void Open(absl::string_view name) const;

  /// An existing model folder that jobs may read.
  const std::string& model() const { return model_; }
  const TemporaryFolder& folder() const { return folder_; }
  std::string data() const { return folder_ / "data"; }

  /// A request for a compress job of the model.
  v1::CreateJobRequest CompressRequest(const std::string& job_id = "") const;

  // Calls. They fail the test when the call does, or return its status.
  v1::Job Create(const v1::CreateJobRequest& request);
  grpc::Status TryCreate(const v1::CreateJobRequest& request);
  v1::Job Get(const std::string& name);
  v1::Job Cancel(const std::string& name);
  /// Once the job is in this state; fails the test if it never is.
  v1::Job AwaitState(const std::string& name, v1::State state);
  /// Until the first attempt's worker has started: from then on a cancel reaches the worker.
  void AwaitWorker(const std::string& name);
  /// Once it has any of the terminal states.
  v1::Job AwaitEnd(const std::string& name);

  /// All events from a cursor to the end of the stream, which must end OK.
  std::vector<v1::JobEvent> Watch(const std::string& name, uint64_t after_seq = 0);

  struct ReadResult {
    grpc::Status status;
    std::string bytes;
    v1::FileTail tail;
    size_t largest_chunk = 0;
  };
  ReadResult ReadFile(const std::string& checkpoint, const std::string& path, int64_t offset = 0, int64_t limit = 0);

  v1::Jobs::Stub& jobs() { return *jobs_; }
  v1::Checkpoints::Stub& checkpoints() { return *checkpoints_; }
  v1::Capabilities::Stub& capabilities() { return *capabilities_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  TemporaryFolder folder_;
  std::string model_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Jobs::Stub> jobs_;
  std::unique_ptr<v1::Checkpoints::Stub> checkpoints_;
  std::unique_ptr<v1::Capabilities::Stub> capabilities_;
};

/// google.rpc.ErrorInfo's reason in a call's status; empty when there is none.
std::string ReasonIn(const grpc::Status& status);
/// The first field that google.rpc.BadRequest names.
std::string FieldIn(const grpc::Status& status);
/// google.rpc.RetryInfo's delay; zero when there is none.
absl::Duration RetryDelayIn(const grpc::Status& status);
/// The reason in Job.error.
std::string ReasonIn(const google::rpc::Status& error);

/// Sequence numbers of the durable ones.
std::vector<uint64_t> Sequence(const std::vector<v1::JobEvent>& events);
/// 1, 2... last.
std::vector<uint64_t> Counting(uint64_t first, uint64_t last);
/// "QUEUED", "RUNNING"... as the events tell it.
std::vector<std::string> StatesIn(const std::vector<v1::JobEvent>& events);

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_RUNNING_SERVER_H_
