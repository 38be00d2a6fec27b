// SPDX-License-Identifier: Apache-2.0
#include "server/timer_queue.h"

#include <utility>

namespace pivot {

TimerQueue::TimerQueue() : thread_([this] { Run(); }) {}

TimerQueue::~TimerQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void TimerQueue::At(Clock::time_point time, std::function<void()> task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    const auto added = tasks_.emplace(time, std::move(task));
    first = added == tasks_.begin();
  }
  if (first) changed_.notify_one();
}

void TimerQueue::Run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
    } else if (const auto next = tasks_.begin()->first; Clock::now() < next) {
      changed_.wait_until(lock, next);
    } else {
      const std::function<void()> task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
      lock.unlock();
      task();
      lock.lock();
    }
  }
}

}  // namespace pivot
