// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_SCHEDULER_H_
#define PIVOT_SERVER_SCHEDULER_SCHEDULER_H_

// Gives queued jobs to free devices.

#include <functional>
#include <mutex>
#include <vector>

#include "server/executor.h"
#include "server/scheduler/choice.h"
#include "server/scheduler/device.h"
#include "server/store/store.h"
#include "server/timer_queue.h"

namespace pivot {

/// A job that holds a device and waits for its worker.
struct Assignment {
  AttemptKey key;
  Device device;
};

class Scheduler {
 public:
  /// `start` is called for each job that got a device. What is pointed to must outlive this; this must outlive the
  /// executor's threads.
  Scheduler(Store* store, Executor* executor, TimerQueue* timers, std::vector<Device> devices,
            std::function<void(const Assignment&)> start);

  /// A job was queued or a device became free: look again, soon. Any thread.
  void Kick();

  /// After this returns no job is given out any more.
  void Stop();

 private:
  void RunPass();
  /// True: a job was given out, or another one was faster; look again.
  bool AssignOne();
  void TryLater();

  Store* const store_;
  Executor* const executor_;
  TimerQueue* const timers_;
  const std::vector<Device> devices_;
  const std::function<void(const Assignment&)> start_;

  std::mutex pass_mutex_;  // held during a pass
  std::mutex mutex_;
  bool pending_ = false;
  bool stopped_ = false;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_SCHEDULER_H_
