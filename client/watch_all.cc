// SPDX-License-Identifier: Apache-2.0
#include "client/watch_all.h"

#include <algorithm>

#include "pivot/v1/jobs.grpc.pb.h"

#include "client/timed_stream.h"
#include "proto/status/status_macros.h"

namespace pivot::client {

absl::Status WatchJobs(const Connection& connection, const std::string& parent, const WatchAllOptions& options,
                       absl::FunctionRef<void(const v1::JobEvent&)> on_event) {
  const auto stub = v1::Jobs::NewStub(connection.control);
  std::optional<uint64_t> cursor = options.after_project_seq;
  return FollowStreams(options.reconnect, [&](Backoff* backoff) -> absl::Status {
    v1::WatchJobsRequest request;
    request.set_parent(parent);
    request.set_after_project_seq(cursor.value_or(0));
    request.set_from_now(!cursor.has_value());
    const auto prepare = [&](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
      ShowToken(connection, context);
      return stub->PrepareAsyncWatchJobs(context, request, queue);
    };
    TimedStream<v1::JobEvent> stream(prepare, options.reconnect.silence_limit, options.reconnect.stop);
    v1::JobEvent event;
    while (stream.Read(&event)) {
      backoff->Reset();
      if (options.reconnect.stop.stop_requested()) return Interrupted();
      const bool is_new = !cursor.has_value() || event.project_seq() > *cursor;
      // Heartbeats carry it, too: after the first of them a stream that begins now has a place to go on from.
      cursor = std::max(cursor.value_or(0), event.project_seq());
      const bool is_durable = event.seq() > 0 || event.has_job_deleted();
      if (is_durable && is_new) on_event(event);
    }
    const absl::Status status = FromGrpcStatus(stream.Finish(), connection.address);
    return status.ok() ? absl::UnavailableError("the server ended the stream") : status;
  });
}

}  // namespace pivot::client
