// SPDX-License-Identifier: Apache-2.0
#include "client/watch.h"

#include "absl/strings/str_cat.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "client/reconnect.h"
#include "client/timed_stream.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

class Watcher {
 public:
  Watcher(const Connection& connection, const std::string& job, const WatchOptions& options,
          absl::FunctionRef<void(const v1::JobEvent&)> on_event)
      : connection_(connection),
        job_(job),
        options_(options),
        on_event_(on_event),
        stub_(v1::Jobs::NewStub(connection.control)),
        last_seq_(options.after_seq) {}

  absl::Status Run() {
    return FollowStreams({.silence_limit = options_.silence_limit,
                          .backoff = options_.backoff,
                          .stop = options_.stop,
                          .before_reconnect = options_.before_reconnect},
                         [this](Backoff* backoff) { return FollowOneStream(backoff); });
  }

 private:
  absl::Status FollowOneStream(Backoff* backoff) {
    v1::WatchJobRequest request;
    request.set_name(job_);
    request.set_after_seq(last_seq_);
    const int64_t interval_milliseconds = absl::ToInt64Milliseconds(options_.progress_interval);
    request.mutable_progress_interval()->set_seconds(interval_milliseconds / 1000);
    request.mutable_progress_interval()->set_nanos(static_cast<int32_t>(interval_milliseconds % 1000 * 1'000'000));
    const auto prepare = [&](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
      ShowToken(connection_, context);
      return stub_->PrepareAsyncWatchJob(context, request, queue);
    };
    TimedStream<v1::JobEvent> stream(prepare, options_.silence_limit, options_.stop);
    v1::JobEvent event;
    while (stream.Read(&event)) {
      backoff->Reset();
      PIVOT_RETURN_IF_ERROR(Deliver(event));
    }
    return FromGrpcStatus(stream.Finish(), connection_.address);
  }

  absl::Status Deliver(const v1::JobEvent& event) {
    if (options_.stop.stop_requested()) return Interrupted();
    if (event.seq() == 0) {
      on_event_(event);
      return absl::OkStatus();
    }
    if (event.seq() <= last_seq_) return absl::OkStatus();
    if (event.seq() > last_seq_ + 1) return Gap(event.seq());
    last_seq_ = event.seq();
    on_event_(event);
    return absl::OkStatus();
  }

  /// A first gap may be a torn stream; the same one again is the server's.
  absl::Status Gap(uint64_t seq) {
    const std::string message = absl::StrCat("event ", last_seq_ + 1, " of ", job_, " is missing: the server at ",
                                             connection_.address, " went on with event ", seq);
    if (gap_after_ == last_seq_ && gap_seen_) return WithReason(absl::DataLossError(message), "EVENT_MISSING");
    gap_seen_ = true;
    gap_after_ = last_seq_;
    return absl::UnavailableError(message);
  }

  const Connection& connection_;
  const std::string& job_;
  const WatchOptions& options_;
  absl::FunctionRef<void(const v1::JobEvent&)> on_event_;
  std::unique_ptr<v1::Jobs::Stub> stub_;
  uint64_t last_seq_;
  bool gap_seen_ = false;
  uint64_t gap_after_ = 0;
};

}  // namespace

absl::Status WatchJob(const Connection& connection, const std::string& job, const WatchOptions& options,
                      absl::FunctionRef<void(const v1::JobEvent&)> on_event) {
  return Watcher(connection, job, options, on_event).Run();
}

}  // namespace pivot::client
