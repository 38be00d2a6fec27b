// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/following_stream.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

using Clock = TimerQueue::Clock;

constexpr auto kDefaultProgressInterval = std::chrono::seconds(1);
constexpr auto kLeastProgressInterval = std::chrono::milliseconds(100);
constexpr int64_t kMostProgressSeconds = 3600;

Clock::duration ProgressInterval(const v1::WatchJobRequest& request) {
  if (!request.has_progress_interval()) return kDefaultProgressInterval;
  const auto& wanted = request.progress_interval();
  const std::chrono::seconds seconds(std::clamp<int64_t>(wanted.seconds(), 0, kMostProgressSeconds));
  return std::max<Clock::duration>(kLeastProgressInterval, seconds + std::chrono::nanoseconds(wanted.nanos()));
}

class WatchStream final : public FollowingStream<v1::JobEvent> {
 public:
  WatchStream(v1::WatchJobRequest request, StreamAdmission admission, Backend& backend)
      : FollowingStream(backend.control, backend, std::move(admission), "WatchJob"),
        request_(std::move(request)),
        progress_interval_(ProgressInterval(request_)),
        cursor_(request_.after_seq()) {}

 private:
  absl::StatusOr<Step> Look(v1::JobEvent* message) override {
    if (uid_.empty()) {
      PIVOT_RETURN_IF_ERROR(Open());
      if (request_.snapshot_first()) return Snapshot(message);
    }
    const RecentEvents::Answer recent = backend().hub->recent().After(uid_, cursor_);
    if (recent.kind == RecentEvents::Answer::Kind::kUnknown) return LookInStore(message);
    if (recent.kind == RecentEvents::Answer::Kind::kEnd) return Step::kFinish;
    if (recent.kind == RecentEvents::Answer::Kind::kNothing) return Idle(message);
    *message = *recent.event;
    message->clear_project_seq();
    cursor_ = message->seq();
    return Step::kWrite;
  }

  absl::StatusOr<Step> LookInStore(v1::JobEvent* message) {
    // The head first: an event that comes after it wakes us again.
    const auto found = backend().store->ReadJobHead(uid_);
    if (absl::IsNotFound(found.status())) return JobNotFound(request_.name());
    PIVOT_ASSIGN_OR_RETURN(const JobHead head, found);
    if (cursor_ >= head.last_seq) return IsTerminal(head.state) ? Step::kFinish : Idle(message);
    PIVOT_ASSIGN_OR_RETURN(std::optional<v1::JobEvent> event, backend().store->ReadEvent(uid_, cursor_ + 1));
    if (!event.has_value()) {
      // Deleted since the look at its head, or damaged.
      const bool deleted = absl::IsNotFound(backend().store->ReadJobHead(uid_).status());
      return deleted ? JobNotFound(request_.name()) : absl::DataLossError("the job's events have a gap");
    }
    *message = *std::move(event);
    cursor_ = message->seq();
    return Step::kWrite;
  }

  absl::Status Open() {
    PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend().store, request_.name(), "name"));
    PIVOT_ASSIGN_OR_RETURN(const JobHead head, backend().store->ReadJobHead(uid));
    if (cursor_ > head.last_seq) return SequenceFromFuture("after_seq", cursor_, head.last_seq);
    uid_ = uid;
    backend().hub->Subscribe(uid_, Self());
    return absl::OkStatus();
  }

  absl::StatusOr<Step> Snapshot(v1::JobEvent* message) {
    PIVOT_ASSIGN_OR_RETURN(*message->mutable_snapshot(), ViewJob(*backend().store, *backend().hub, uid_));
    Stamp(message, message->snapshot().attempt());
    return Step::kWrite;
  }

  /// Progress if there is some and it is time, a heartbeat if it is time for that, else a timer for whichever comes
  /// first.
  Step Idle(v1::JobEvent* message) {
    const auto now = Clock::now();
    const std::optional<LiveProgress> live = backend().hub->Progress(uid_);
    if (live.has_value() && live->version > progress_version_) {
      if (now >= last_progress_ + progress_interval_) {
        progress_version_ = live->version;
        last_progress_ = now;
        *message->mutable_progress() = live->progress;
        Stamp(message, live->attempt);
        return Step::kWrite;
      }
      WakeForProgress(now);
    }
    if (!HeartbeatIsDue()) return Step::kWait;
    message->mutable_heartbeat();
    Stamp(message, 0);
    return Step::kWrite;
  }

  void Stamp(v1::JobEvent* message, int attempt) const {
    message->set_job(request_.name());
    message->set_attempt(attempt);
    *message->mutable_time() = ToTimestamp(absl::ToUnixMicros(absl::Now()));
  }

  /// At most one timer is under way.
  void WakeForProgress(Clock::time_point now) {
    if (progress_timer_ > now) return;
    progress_timer_ = last_progress_ + progress_interval_;
    backend().timers->At(progress_timer_, [watcher = std::weak_ptr<Watcher>(Self())] {
      if (const auto live = watcher.lock()) live->Wake();
    });
  }

  const v1::WatchJobRequest request_;
  const Clock::duration progress_interval_;

  // Used by Next() alone.
  std::string uid_;
  uint64_t cursor_;
  Clock::time_point last_progress_ = Clock::time_point::min() + std::chrono::hours(1);
  uint64_t progress_version_ = 0;
  Clock::time_point progress_timer_ = Clock::time_point::min();
};

}  // namespace

grpc::ServerWriteReactor<v1::JobEvent>* WatchJob(const v1::WatchJobRequest& request, StreamAdmission admission,
                                                 Backend& backend) {
  const absl::Status admitted = admission.status();
  const auto stream = std::make_shared<WatchStream>(request, std::move(admission), backend);
  stream->Begin(*backend.streams, admitted);
  return stream.get();
}

}  // namespace pivot
