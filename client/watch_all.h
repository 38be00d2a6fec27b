// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_WATCH_ALL_H_
#define PIVOT_CLIENT_WATCH_ALL_H_

// The events of all jobs of a project, across lost connections.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "pivot/v1/event.pb.h"

#include "client/connection.h"
#include "client/reconnect.h"

namespace pivot::client {

struct WatchAllOptions {
  /// The last project_seq that was dealt with, 0: from the beginning. Absent: from now on.
  std::optional<uint64_t> after_project_seq;
  ReconnectOptions reconnect;
};

/// Calls `on_event` in this thread for each durable event exactly once and in order. Never OK: Interrupted() when
/// stopped, UNAVAILABLE when the server stays away for too long, what it refuses with otherwise.
absl::Status WatchJobs(const Connection& connection, const std::string& parent, const WatchAllOptions& options,
                       absl::FunctionRef<void(const v1::JobEvent&)> on_event);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_WATCH_ALL_H_
