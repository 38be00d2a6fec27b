// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_WATCHERS_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_WATCHERS_H_

// Very many clients that watch one job.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/benchmarks/server/figures.h"
#include "tests/benchmarks/server/served_pivotd.h"

namespace pivot {

class Watchers {
 public:
  /// Connections of at most 200 streams each.
  explicit Watchers(const ServedPivotd& served);
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;
  /// Cancels them and waits until they are gone.
  ~Watchers();

  /// Opens streams until there are `total`, and waits for the snapshot of each.
  absl::Status Open(const std::string& job, int total);

  /// Waits until every watcher has had `count` events beyond its snapshot.
  absl::Status AwaitEvents(int count);

  /// From the time in an event until a watcher had it.
  Latencies& latencies() { return latencies_; }

 private:
  class Stream;

  void Came(const v1::JobEvent& event);

  const ServedPivotd& served_;
  std::vector<std::unique_ptr<v1::Jobs::Stub>> stubs_;
  std::vector<std::unique_ptr<Stream>> streams_;
  Latencies latencies_;

  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t wanted_ = 0;  // snapshots or events for which somebody waits
  int64_t snapshots_ = 0;
  int64_t events_ = 0;
  int64_t ended_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_WATCHERS_H_
