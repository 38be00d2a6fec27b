// SPDX-License-Identifier: Apache-2.0
#include "client/backoff.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "absl/time/clock.h"

#include "proto/status/reason.h"

namespace pivot::client {

absl::Duration Backoff::Next() {
  const absl::Duration bound = bound_;
  bound_ = std::min(bound_ * 2, options_.longest);
  return bound * std::uniform_real_distribution<double>(0, 1)(random_);
}

void Backoff::Reset() {
  bound_ = options_.first;
  quiet_since_ = absl::Now();
}

bool SleepUnlessStopped(absl::Duration duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
  return !stop.stop_requested();
}

absl::Status Interrupted() { return WithReason(absl::CancelledError("interrupted"), "INTERRUPTED"); }

bool IsInterrupted(const absl::Status& status) { return ReasonOf(status) == "INTERRUPTED"; }

}  // namespace pivot::client
