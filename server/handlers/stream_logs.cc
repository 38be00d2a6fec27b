// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/heartbeats.h"
#include "server/handlers/job_view.h"
#include "server/handlers/stream_reactor.h"
#include "server/store/transition.h"
#include "server/worker/attempt_log.h"

namespace pivot {
namespace {

using Clock = TimerQueue::Clock;

constexpr int64_t kMaxChunkBytes = int64_t{64} << 10;

/// All that it keeps is an offset; what comes next is read when the last message is through.
class LogStream final : public StreamReactor<v1::LogChunk>, public Watcher {
 public:
  LogStream(v1::StreamLogsRequest request, Backend& backend)
      : StreamReactor(backend.transfer),
        request_(std::move(request)),
        backend_(backend),
        heartbeats_(backend.timers, backend.heartbeat_interval),
        offset_(request_.offset()) {
    backend_.metrics->WatcherCame();
  }
  ~LogStream() override { backend_.metrics->WatcherLeft(); }

  void Wake() override { StreamReactor::Wake(); }

 protected:
  Step Next(v1::LogChunk* chunk, absl::Status* status) override {
    const auto step = Look(chunk);
    if (!step.ok()) *status = step.status();
    if (step.ok() && *step == Step::kWrite) heartbeats_.Sent();
    return step.value_or(Step::kFinish);
  }

  void Ended(const absl::Status& status) override {
    backend_.metrics->CallHandled("Jobs", "StreamLogs", status.code(), absl::FromChrono(Clock::now() - begin_));
  }

 private:
  absl::StatusOr<Step> Look(v1::LogChunk* chunk) {
    const bool first = uid_.empty();
    if (first) PIVOT_RETURN_IF_ERROR(Open());
    // Before the look at the log: what is written later does not belong to an attempt that had ended.
    PIVOT_ASSIGN_OR_RETURN(const bool ended, HasEnded());
    PIVOT_ASSIGN_OR_RETURN(LogPiece piece, ReadLog(backend_.data->log(uid_, attempt_), offset_, kMaxChunkBytes));
    if (first && offset_ > piece.end) return OffsetBeyondEnd(offset_, piece.end);
    chunk->set_attempt(attempt_);
    if (!piece.bytes.empty()) {
      chunk->set_skipped_bytes(piece.offset - offset_);
      offset_ = piece.offset + static_cast<int64_t>(piece.bytes.size());
      chunk->set_offset(piece.offset);
      *chunk->mutable_data() = std::move(piece.bytes);
      return Step::kWrite;
    }
    if (ended || request_.no_follow()) return Step::kFinish;
    chunk->set_offset(offset_);
    return heartbeats_.IsDue(Self()) ? Step::kWrite : Step::kWait;
  }

  absl::Status Open() {
    PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend_.store, request_.name(), "name"));
    if (request_.attempt() < 0) return InvalidRequest("attempt", "attempt must be 0 (for the newest) or more");
    if (offset_ < 0) return InvalidRequest("offset", "offset must be 0 or more");
    // The attempt's end shows in the job's events.
    backend_.hub->Subscribe(uid, Self());
    backend_.hub->Subscribe(LogTopic(uid), Self());
    PIVOT_ASSIGN_OR_RETURN(const JobHead head, Head(uid));
    if (request_.attempt() > head.attempt) return AttemptNotFound(request_.name(), request_.attempt(), head.attempt);
    attempt_ = request_.attempt() > 0 ? request_.attempt() : std::max(1, head.attempt);
    uid_ = uid;
    return absl::OkStatus();
  }

  /// Also when it will never begin.
  absl::StatusOr<bool> HasEnded() {
    PIVOT_ASSIGN_OR_RETURN(const JobHead head, Head(uid_));
    if (head.attempt < attempt_) return IsTerminal(head.state);
    const bool has_worker =
        head.state == v1::STATE_RUNNING || head.state == v1::STATE_CANCELLING || head.state == v1::STATE_SUSPENDING;
    return head.attempt > attempt_ || !has_worker;
  }

  absl::StatusOr<JobHead> Head(const std::string& uid) {
    auto head = backend_.store->ReadJobHead(uid);
    if (absl::IsNotFound(head.status())) return JobNotFound(request_.name());
    return head;
  }

  std::shared_ptr<Watcher> Self() { return std::static_pointer_cast<LogStream>(shared_from_this()); }

  const v1::StreamLogsRequest request_;
  Backend& backend_;
  const Clock::time_point begin_ = Clock::now();

  // Used by Next() alone.
  Heartbeats heartbeats_;
  std::string uid_;  // empty: not begun
  int attempt_ = 0;
  int64_t offset_;
};

}  // namespace

grpc::ServerWriteReactor<v1::LogChunk>* StreamLogs(const v1::StreamLogsRequest& request, Backend& backend) {
  const auto stream = std::make_shared<LogStream>(request, backend);
  stream->Begin(*backend.streams, Draining());
  return stream.get();
}

}  // namespace pivot
