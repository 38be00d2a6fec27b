// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_DEADLINES_H_
#define PIVOT_SERVER_DEADLINES_H_

// Fails jobs that waited for longer than their queue_timeout, and deletes those that are past their expire_time.

#include <functional>
#include <mutex>
#include <utility>

#include "absl/time/time.h"

#include "server/data_folder.h"
#include "server/executor.h"
#include "server/hub.h"
#include "server/store/store.h"
#include "server/timer_queue.h"

namespace pivot {

class Deadlines {
 public:
  /// What is pointed to must outlive this; this must outlive the executors' threads and the timers'.
  struct Parts {
    Store* store;
    Hub* hub;
    const DataFolder* data;
    Executor* control;     // for the store
    Executor* publishing;  // for removing files
    TimerQueue* timers;
    std::function<absl::Time()> now;  // the store's clock
  };

  explicit Deadlines(Parts parts) : parts_(std::move(parts)) {}

  /// A deadline may have come nearer: look soon. From then on each is met within a minute also when the clock is set,
  /// and at once when it is not. Any thread.
  void Kick();

  /// After this returns nothing is failed or deleted any more.
  void Stop();

 private:
  enum class Found { kNothing, kOne, kFault };

  void RunPass();
  /// Meets one deadline that is over.
  Found MeetOne();
  void LookAgainIn(absl::Duration delay);

  const Parts parts_;

  std::mutex pass_mutex_;                                                         // held during a pass
  TimerQueue::Clock::time_point wake_at_ = TimerQueue::Clock::time_point::min();  // of the newest timer

  std::mutex mutex_;
  bool pending_ = false;
  bool stopped_ = false;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_DEADLINES_H_
