// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/call_load.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

/// Who has been asked and not answered yet.
class Progress {
 public:
  void Began() {
    const std::lock_guard lock(mutex_);
    ++open_;
  }

  void Ended(const grpc::Status& status) {
    // Told under the lock: once the last has ended this may go.
    const std::lock_guard lock(mutex_);
    --open_;
    if (!status.ok()) ++failures_;
    if (!status.ok()) fault_ = absl::StrCat(status.error_code(), ": ", status.error_message());
    changed_.notify_all();
  }

  void AwaitFewerThan(int depth) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ < depth; });
  }

  int failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

  absl::Status status() const {
    const std::lock_guard lock(mutex_);
    return fault_.has_value() ? absl::InternalError(*fault_) : absl::OkStatus();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = 0;
  int failures_ = 0;
  std::optional<std::string> fault_;
};

/// What `pace(index)` returns is when the call's time begins.
absl::StatusOr<LoadResult> Call(const BeginCall& begin, int count, Progress& progress,
                                const std::function<Clock::time_point(int)>& pace) {
  LoadResult result;
  const auto first = Clock::now();
  for (int index = 0; index < count; ++index) {
    const auto from = pace(index);
    progress.Began();
    begin(index, [&progress, latencies = result.latencies.get(), from](const grpc::Status& status) {
      if (status.ok()) latencies->Add(absl::FromChrono(Clock::now() - from));
      progress.Ended(status);
    });
  }
  progress.AwaitFewerThan(1);
  result.took = absl::FromChrono(Clock::now() - first);
  result.refused = progress.failures();
  if (result.refused == count) return progress.status();
  return result;
}

}  // namespace

absl::StatusOr<LoadResult> CallAtRate(const BeginCall& begin, double calls_a_second, int count) {
  Progress progress;
  const auto first = Clock::now();
  return Call(begin, count, progress, [&](int index) {
    const auto at =
        first + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(index / calls_a_second));
    std::this_thread::sleep_until(at);
    return at;
  });
}

absl::StatusOr<LoadResult> CallAtDepth(const BeginCall& begin, int depth, int count) {
  Progress progress;
  return Call(begin, count, progress, [&](int /*index*/) {
    progress.AwaitFewerThan(depth);
    return Clock::now();
  });
}

}  // namespace pivot
