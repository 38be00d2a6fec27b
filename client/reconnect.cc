// SPDX-License-Identifier: Apache-2.0
#include "client/reconnect.h"

#include <algorithm>

#include "client/connection.h"
#include "proto/status/status_macros.h"

namespace pivot::client {

absl::Status FollowStreams(const ReconnectOptions& options, absl::FunctionRef<absl::Status(Backoff*)> follow) {
  Backoff backoff(options.backoff);
  while (true) {
    const absl::Status status = follow(&backoff);
    if (options.stop.stop_requested()) return Interrupted();
    if (!absl::IsUnavailable(status)) return status;
    if (backoff.IsTimeToGiveUp()) return status;
    if (options.before_reconnect) PIVOT_RETURN_IF_ERROR(options.before_reconnect(status));
    if (!SleepUnlessStopped(std::max(backoff.Next(), RetryDelayOf(status)), options.stop)) return Interrupted();
  }
}

}  // namespace pivot::client
