// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_TIMED_STREAM_H_
#define PIVOT_CLIENT_TIMED_STREAM_H_

// A server's stream read with a time limit for each message: gRPC itself has only limits for whole calls.

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>
#include <memory>
#include <stop_token>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace pivot::client {

/// For one thread; `stop` may be used from any and ends the call at once.
template <typename Response>
class TimedStream {
 public:
  using Reader = grpc::ClientAsyncReader<Response>;
  /// A stub's PrepareAsync... method.
  using Prepare = absl::FunctionRef<std::unique_ptr<Reader>(grpc::ClientContext*, grpc::CompletionQueue*)>;

  /// `silence_limit`: the longest time that a message, or the first sign of the server, may take.
  TimedStream(Prepare prepare, absl::Duration silence_limit, std::stop_token stop)
      : silence_limit_(silence_limit),
        reader_(prepare(&context_, &queue_)),
        on_stop_(std::move(stop), Canceller{&context_}) {
    reader_->StartCall(this);
    Wait();
  }
  TimedStream(const TimedStream&) = delete;
  TimedStream& operator=(const TimedStream&) = delete;
  ~TimedStream() {
    if (!finished_) {
      context_.TryCancel();
      Finish();
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  /// False when there is no further message; Finish() then says why.
  bool Read(Response* message) {
    if (timed_out_) return false;
    reader_->Read(message, this);
    return Wait();
  }

  /// How the call ended; UNAVAILABLE when a message took too long. Called once, after Read gave false.
  grpc::Status Finish() {
    grpc::Status status;
    reader_->Finish(&status, this);
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    finished_ = true;
    if (!timed_out_) return status;
    return {grpc::StatusCode::UNAVAILABLE, absl::StrCat("nothing came for ", absl::FormatDuration(silence_limit_))};
  }

 private:
  struct Canceller {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };

  /// Waits for the one operation under way; true when it brought what was asked for.
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = absl::ToChronoTime(absl::Now() + silence_limit_);
    if (queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::TIMEOUT) {
      timed_out_ = true;
      context_.TryCancel();
      queue_.Next(&tag, &ok);
      return false;
    }
    return ok;
  }

  const absl::Duration silence_limit_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<Reader> reader_;
  bool timed_out_ = false;
  bool finished_ = false;
  std::stop_callback<Canceller> on_stop_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_TIMED_STREAM_H_
