// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_EXECUTOR_H_
#define PIVOT_SERVER_EXECUTOR_H_

// A fixed number of threads that run tasks in the order in which they come.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pivot {

class Executor {
 public:
  explicit Executor(int num_threads);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  ~Executor() { Stop(); }

  /// Any thread, tasks included. A task posted after Stop() is dropped.
  void Post(std::function<void()> task);

  /// Tasks that no thread has begun.
  size_t num_waiting() const;

  /// Runs what was posted before, then ends the threads. Not from a task.
  void Stop();

 private:
  void Run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_EXECUTOR_H_
