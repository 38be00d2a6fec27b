// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_BACKOFF_H_
#define PIVOT_CLIENT_BACKOFF_H_

// Waiting between tries, and being woken from it.

#include <random>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace pivot::client {

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(200);
  absl::Duration longest = absl::Seconds(30);
  /// A server that has said nothing for so long is given up.
  absl::Duration give_up_after = absl::Minutes(10);
};

/// Delays with full jitter: anything between zero and a bound that doubles with every try up to the longest, so that
/// the clients of a server that comes back do not all call at once.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options)
      : options_(options), bound_(options.first), quiet_since_(absl::Now()) {}

  absl::Duration Next();
  /// Something came: the next delay is short again.
  void Reset();
  bool IsTimeToGiveUp() const { return absl::Now() - quiet_since_ > options_.give_up_after; }

 private:
  BackoffOptions options_;
  absl::Duration bound_;
  absl::Time quiet_since_;
  std::minstd_rand random_{std::random_device{}()};
};

/// False when `stop` ended it early.
bool SleepUnlessStopped(absl::Duration duration, const std::stop_token& stop);

/// kCancelled with reason INTERRUPTED: what a call returns when its stop token was used.
absl::Status Interrupted();
bool IsInterrupted(const absl::Status& status);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_BACKOFF_H_
