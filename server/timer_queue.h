// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_TIMER_QUEUE_H_
#define PIVOT_SERVER_TIMER_QUEUE_H_

// Calls functions at times to come, in one thread.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace pivot {

class TimerQueue {
 public:
  using Clock = std::chrono::steady_clock;

  TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  /// What has not been called by then never is.
  ~TimerQueue();

  /// `task` must be short. Any thread, tasks included.
  void At(Clock::time_point time, std::function<void()> task);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Clock::time_point, std::function<void()>> tasks_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_TIMER_QUEUE_H_
