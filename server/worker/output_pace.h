// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_OUTPUT_PACE_H_
#define PIVOT_SERVER_WORKER_OUTPUT_PACE_H_

// How fast a worker's output is taken: it may write much at once, but not without end. Pure: it is told the time.

#include <chrono>
#include <cstdint>

namespace pivot {

struct PaceLimits {
  double bytes_a_second = 2 << 20;
  int64_t burst_bytes = int64_t{16} << 20;
};

class OutputPace {
 public:
  using Clock = std::chrono::steady_clock;

  OutputPace(const PaceLimits& limits, Clock::time_point now)
      : limits_(limits), left_(static_cast<double>(limits.burst_bytes)), as_of_(now) {}

  /// Bytes were taken.
  void Took(int64_t bytes, Clock::time_point now);

  /// When the next may be taken; in the past: now.
  Clock::time_point next() const { return next_; }

 private:
  PaceLimits limits_;
  double left_;  // of the burst, as it was at as_of_; below 0: owed
  Clock::time_point as_of_;
  Clock::time_point next_ = Clock::time_point::min();
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_OUTPUT_PACE_H_
