// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/handlers/following_stream.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/store/transition.h"
#include "server/worker/attempt_log.h"

namespace pivot {
namespace {

constexpr int64_t kMaxChunkBytes = int64_t{64} << 10;

class LogStream final : public FollowingStream<v1::LogChunk> {
 public:
  LogStream(v1::StreamLogsRequest request, StreamAdmission admission, Backend& backend)
      : FollowingStream(backend.transfer, backend, std::move(admission), "StreamLogs"),
        request_(std::move(request)),
        offset_(request_.offset()) {}

 private:
  absl::StatusOr<Step> Look(v1::LogChunk* chunk) override {
    const bool first = uid_.empty();
    if (first) PIVOT_RETURN_IF_ERROR(Open());
    // Before the look at the log: what is written later does not belong to an attempt that had ended.
    PIVOT_ASSIGN_OR_RETURN(const bool ended, HasEnded());
    PIVOT_ASSIGN_OR_RETURN(LogPiece piece, ReadLog(backend().data->log(uid_, attempt_), offset_, kMaxChunkBytes));
    if (first && offset_ > piece.end) return OffsetBeyondEnd(offset_, piece.end);
    chunk->set_attempt(attempt_);
    if (!piece.bytes.empty()) {
      chunk->set_skipped_bytes(piece.offset - offset_);
      offset_ = piece.offset + static_cast<int64_t>(piece.bytes.size());
      chunk->set_offset(piece.offset);
      CountBytes(piece.bytes.size());
      *chunk->mutable_data() = std::move(piece.bytes);
      return Step::kWrite;
    }
    if (ended || request_.no_follow()) return Step::kFinish;
    chunk->set_offset(offset_);
    return HeartbeatIsDue() ? Step::kWrite : Step::kWait;
  }

  absl::Status Open() {
    PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend().store, request_.name(), "name"));
    if (request_.attempt() < 0) return InvalidRequest("attempt", "attempt must be 0 (for the newest) or more");
    if (offset_ < 0) return InvalidRequest("offset", "offset must be 0 or more");
    // The attempt's end shows in the job's events.
    backend().hub->Subscribe(uid, Self());
    backend().hub->Subscribe(LogTopic(uid), Self());
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
    auto head = backend().store->ReadJobHead(uid);
    if (absl::IsNotFound(head.status())) return JobNotFound(request_.name());
    return head;
  }

  const v1::StreamLogsRequest request_;

  // Used by Next() alone.
  std::string uid_;  // empty: not begun
  int attempt_ = 0;
  int64_t offset_;
};

}  // namespace

grpc::ServerWriteReactor<v1::LogChunk>* StreamLogs(const v1::StreamLogsRequest& request, StreamAdmission admission,
                                                   Backend& backend) {
  const absl::Status admitted = admission.status();
  const auto stream = std::make_shared<LogStream>(request, std::move(admission), backend);
  stream->Begin(*backend.streams, admitted);
  return stream.get();
}

}  // namespace pivot
