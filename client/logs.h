// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_LOGS_H_
#define PIVOT_CLIENT_LOGS_H_

// What a job's worker wrote, across lost connections.

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "pivot/v1/jobs.pb.h"

#include "client/connection.h"
#include "client/reconnect.h"

namespace pivot::client {

/// Calls `on_chunk` in this thread for each piece of the log, in order, none twice; never with an empty one. OK at the
/// end of the log; Interrupted() when stopped; UNAVAILABLE when the server stays away for too long. Whatever attempt
/// was asked for, the one that the stream began with is followed.
absl::Status StreamLogs(const Connection& connection, v1::StreamLogsRequest request, const ReconnectOptions& options,
                        absl::FunctionRef<void(const v1::LogChunk&)> on_chunk);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_LOGS_H_
