// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_RECONNECT_H_
#define PIVOT_CLIENT_RECONNECT_H_

// A server's stream opened again and again until it ends by itself.

#include <functional>
#include <stop_token>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "client/backoff.h"

namespace pivot::client {

struct ReconnectOptions {
  /// The longest time between two messages: three of the server's heartbeats.
  absl::Duration silence_limit = absl::Seconds(45);
  BackoffOptions backoff;
  /// Ends it from any thread.
  std::stop_token stop;
  /// Called when the connection was lost, with why; a status that is not OK ends it with that.
  std::function<absl::Status(const absl::Status& lost)> before_reconnect;
};

/// Calls `follow` for one stream after the other, as long as they end with UNAVAILABLE; it resets the backoff when
/// something came. What the last one ended with; Interrupted() when stopped; UNAVAILABLE when the server stays away for
/// longer than backoff.give_up_after.
absl::Status FollowStreams(const ReconnectOptions& options, absl::FunctionRef<absl::Status(Backoff*)> follow);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_RECONNECT_H_
