// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_SCHEDULER_H_
#define PIVOT_SERVER_SCHEDULER_SCHEDULER_H_

// Gives queued jobs to free devices, as policy.h decides.

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "server/executor.h"
#include "server/scheduler/device.h"
#include "server/scheduler/device_health.h"
#include "server/scheduler/policy.h"
#include "server/scheduler/room_gauge.h"
#include "server/store/store.h"
#include "server/timer_queue.h"

namespace pivot {

/// A job that holds a device and waits for its worker.
struct Assignment {
  AttemptKey key;
  Device device;
  int64_t gpu_budget_bytes = 0;  // of the device's memory; 0: all of it
};

class Scheduler {
 public:
  /// What is pointed to must outlive the scheduler; the scheduler must outlive the executor's threads.
  struct Parts {
    Store* store;
    Executor* executor;
    TimerQueue* timers;
    RoomGauge* gauge;
    const DeviceHealth* health;
    PolicyOptions policy;
    /// Called for each job that got a device.
    std::function<void(const Assignment&)> start;
    /// A running attempt is to give its device back.
    std::function<void(const std::string& job_uid, int attempt)> preempt;
    /// Bytes in a job's staging folder.
    std::function<int64_t(const std::string& staging_uid)> written_bytes;
  };
  explicit Scheduler(Parts parts) : parts_(std::move(parts)) {}

  /// A job was queued or a device became free: look again, soon. Any thread.
  void Kick();

  /// After this returns no job is given out any more.
  void Stop();

 private:
  void RunPass();
  void PostPass();
  void LookUntilNothingStarts();
  Room LookForRoom(const QueueSnapshot& snapshot);
  /// True: a job was given out, or another one was faster; look again.
  bool AssignOne();
  /// Estimates as they turned out, what is on disk already, and who has been asked to end.
  void Refine(QueueSnapshot& snapshot);
  bool Claim(const Grant& grant);
  void Preempt(const RunningJob& victim);
  void Explain(const QueueSnapshot& snapshot, const Decision& decision);
  void TryLater();

  const Parts parts_;
  std::mutex pass_mutex_;                         // held during a pass
  std::set<std::pair<std::string, int>> ending_;  // job and attempt, asked to give their devices back; of a pass

  std::mutex mutex_;
  bool pending_ = false;
  TimerQueue::Clock::time_point rested_at_ = TimerQueue::Clock::time_point::min();  // when a pass may begin
  bool will_retry_ = false;
  bool stopped_ = false;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_SCHEDULER_H_
