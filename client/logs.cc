// SPDX-License-Identifier: Apache-2.0
#include "client/logs.h"

#include "pivot/v1/jobs.grpc.pb.h"

#include "client/timed_stream.h"
#include "proto/status/status_macros.h"

namespace pivot::client {

absl::Status StreamLogs(const Connection& connection, v1::StreamLogsRequest request, const ReconnectOptions& options,
                        absl::FunctionRef<void(const v1::LogChunk&)> on_chunk) {
  const auto stub = v1::Jobs::NewStub(connection.control);
  return FollowStreams(options, [&](Backoff* backoff) -> absl::Status {
    const auto prepare = [&](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
      ShowToken(connection, context);
      return stub->PrepareAsyncStreamLogs(context, request, queue);
    };
    TimedStream<v1::LogChunk> stream(prepare, options.silence_limit, options.stop);
    v1::LogChunk chunk;
    while (stream.Read(&chunk)) {
      backoff->Reset();
      if (options.stop.stop_requested()) return Interrupted();
      request.set_attempt(chunk.attempt());
      if (chunk.data().empty()) continue;
      request.set_offset(chunk.offset() + static_cast<int64_t>(chunk.data().size()));
      on_chunk(chunk);
    }
    return FromGrpcStatus(stream.Finish(), connection.address);
  });
}

}  // namespace pivot::client
