// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HTTP_RETRY_H_
#define PIVOT_SOURCES_HTTP_RETRY_H_

// When a request is worth another try, and how long to wait for it.

#include <mutex>
#include <random>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sources/http/transfer.h"

namespace pivot::http {

struct RetryOptions {
  /// Failures in a row, without one byte between them, after which it is given up.
  int max_failures = 6;
  absl::Duration first = absl::Milliseconds(500);
  absl::Duration longest = absl::Seconds(20);
  /// A server that asks for more patience is not waited for.
  absl::Duration longest_asked = absl::Minutes(5);
};

/// 408, 429 and what a server says of itself: 500, 502, 503, 504.
bool IsPassing(int status);

/// Of the field Retry-After, seconds or a date; zero when there is none.
absl::Duration AskedDelay(const Head& head);

/// One for all requests to a hub: when it asks one of them to slow down, all of them wait. Any thread.
class Pace {
 public:
  void WaitUntil(absl::Time time);
  absl::Time next() const;

 private:
  mutable std::mutex mutex_;
  absl::Time next_ = absl::InfinitePast();
};

/// Counts failures in a row.
class Retry {
 public:
  explicit Retry(const RetryOptions& options) : options_(options) {}

  /// Bytes came.
  void Reset() { failures_ = 0; }
  bool IsSpent() const { return failures_ >= options_.max_failures; }
  /// Notes a failure. The delay before the next try: half to all of a bound that doubles every time.
  absl::Duration Next();

  const RetryOptions& options() const { return options_; }

 private:
  RetryOptions options_;
  int failures_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace pivot::http

#endif  // PIVOT_SOURCES_HTTP_RETRY_H_
