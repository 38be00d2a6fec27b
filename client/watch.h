// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_WATCH_H_
#define PIVOT_CLIENT_WATCH_H_

// A job's events from a cursor on, across lost connections.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pivot/v1/event.pb.h"

#include "client/backoff.h"
#include "client/connection.h"

namespace pivot::client {

struct WatchOptions {
  /// The last seq that was dealt with; 0: from the beginning.
  uint64_t after_seq = 0;
  absl::Duration progress_interval = absl::Seconds(1);
  /// Three of the server's heartbeats.
  absl::Duration silence_limit = absl::Seconds(45);
  BackoffOptions backoff;
  /// Ends the watch from any thread.
  std::stop_token stop;
  /// Called when the connection was lost, with why; a status that is not OK ends the watch with it.
  std::function<absl::Status(const absl::Status& lost)> before_reconnect;
};

/// Calls `on_event` in this thread for each durable event exactly once and in order, and for ephemeral ones as they
/// come. OK after the job's last event; Interrupted() when stopped; UNAVAILABLE when the server stays away longer than
/// backoff.give_up_after; kDataLoss when the server leaves an event out.
absl::Status WatchJob(const Connection& connection, const std::string& job, const WatchOptions& options,
                      absl::FunctionRef<void(const v1::JobEvent&)> on_event);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_WATCH_H_
