// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_SUPERVISOR_H_
#define PIVOT_SERVER_WORKER_SUPERVISOR_H_

// One thread that starts workers, listens to them, watches over them and records how they end.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "server/artifact/publisher.h"
#include "server/data_folder.h"
#include "server/executor.h"
#include "server/hub.h"
#include "server/process/unique_fd.h"
#include "server/scheduler/scheduler.h"
#include "server/store/store.h"
#include "server/worker/launcher.h"
#include "server/worker/session.h"

namespace pivot {

class Supervisor {
 public:
  struct Parts {
    Store* store;
    Hub* hub;
    const DataFolder* data;
    Publisher* publisher;
    Executor* publishing;  // runs the publisher and removes folders
    WorkerLauncher* launcher;
    WatchdogLimits limits;
    /// An attempt ended with this cause and its job is queued again.
    std::function<void(absl::string_view cause)> restarted;
    /// A publication took this long.
    std::function<void(absl::Duration)> published;
  };

  explicit Supervisor(Parts parts);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  /// Workers must have been stopped.
  ~Supervisor();

  /// Starts the worker of a job that was claimed. Any thread.
  void Start(const Assignment& assignment);

  /// A cancel or suspend of this job is on record: its worker is told. Any thread.
  void Heed(const std::string& job_uid);

  /// The worker of this attempt is to end at the next block boundary, and its job to go back to the queue. Any thread.
  void Preempt(const std::string& job_uid, int attempt);

  /// Ends all workers and queues their jobs again; what is started later goes the same way. Returns when all have
  /// ended, or after the time that SIGTERM and SIGKILL need.
  void StopWorkers();

 private:
  using Clock = WorkerSession::Clock;
  using Sessions = absl::flat_hash_map<std::string, std::unique_ptr<WorkerSession>>;  // by job uid

  void Post(std::function<void()> task);
  void Run();
  void Wait();
  void RunTasks();
  void StartSession(const Assignment& assignment);
  void HeedNow(const std::string& job_uid);
  void Publish(PublishRequest request);
  void EndSessions();
  /// False: the store could not take it; to be tried again.
  bool RecordEnd(const WorkerSession& session);
  void TidyAfter(const WorkerSession& session, v1::State state);

  const Parts parts_;
  UniqueFd wake_;  // eventfd

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  std::condition_variable idle_changed_;
  bool idle_ = true;
  bool quit_ = false;

  // Of the thread alone.
  Sessions sessions_;
  bool stopping_ = false;
  Clock::time_point retry_at_ = Clock::time_point::min();  // when ends that could not be stored are tried again
  std::thread thread_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_SUPERVISOR_H_
