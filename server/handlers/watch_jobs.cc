// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/heartbeats.h"
#include "server/handlers/stream_reactor.h"
#include "server/names.h"

namespace pivot {
namespace {

using Clock = TimerQueue::Clock;

/// All that it keeps is a cursor; what comes next is looked up when the last message is through.
class ProjectStream final : public StreamReactor<v1::JobEvent>, public Watcher {
 public:
  ProjectStream(v1::WatchJobsRequest request, Backend& backend)
      : StreamReactor(backend.control),
        request_(std::move(request)),
        backend_(backend),
        heartbeats_(backend.timers, backend.heartbeat_interval),
        cursor_(request_.after_project_seq()) {
    backend_.metrics->WatcherCame();
  }
  ~ProjectStream() override { backend_.metrics->WatcherLeft(); }

  void Wake() override { StreamReactor::Wake(); }

 protected:
  Step Next(v1::JobEvent* message, absl::Status* status) override {
    const auto step = Look(message);
    if (!step.ok()) *status = step.status();
    if (step.ok() && *step == Step::kWrite) heartbeats_.Sent();
    return step.value_or(Step::kFinish);
  }

  void Ended(const absl::Status& status) override {
    backend_.metrics->CallHandled("Jobs", "WatchJobs", status.code(), absl::FromChrono(Clock::now() - begin_));
  }

 private:
  absl::StatusOr<Step> Look(v1::JobEvent* message) {
    if (project_.empty()) {
      PIVOT_RETURN_IF_ERROR(Open());
      if (request_.from_now()) return Beat(message);
    }
    PIVOT_ASSIGN_OR_RETURN(std::optional<v1::JobEvent> event, backend_.store->ReadProjectEvent(project_, cursor_));
    if (event.has_value()) {
      *message = *std::move(event);
      cursor_ = message->project_seq();
      return Step::kWrite;
    }
    return heartbeats_.IsDue(Self()) ? Beat(message) : Step::kWait;
  }

  absl::Status Open() {
    PIVOT_ASSIGN_OR_RETURN(const std::string project, ParseProjectName(request_.parent(), "parent"));
    if (request_.from_now() && cursor_ > 0) {
      return InvalidRequest("after_project_seq", "after_project_seq must be 0 with from_now");
    }
    // Before the look: what is stored after it wakes us again.
    backend_.hub->Subscribe(ProjectTopic(project), Self());
    PIVOT_ASSIGN_OR_RETURN(const uint64_t last, backend_.store->ReadProjectSeq(project));
    if (cursor_ > last) return SequenceFromFuture("after_project_seq", cursor_, last);
    if (request_.from_now()) cursor_ = last;
    project_ = project;
    return absl::OkStatus();
  }

  Step Beat(v1::JobEvent* message) const {
    message->mutable_heartbeat();
    message->set_project_seq(cursor_);
    *message->mutable_time() = ToTimestamp(absl::ToUnixMicros(absl::Now()));
    return Step::kWrite;
  }

  std::shared_ptr<Watcher> Self() { return std::static_pointer_cast<ProjectStream>(shared_from_this()); }

  const v1::WatchJobsRequest request_;
  Backend& backend_;
  const Clock::time_point begin_ = Clock::now();

  // Used by Next() alone.
  Heartbeats heartbeats_;
  std::string project_;  // empty: not begun
  uint64_t cursor_;
};

}  // namespace

grpc::ServerWriteReactor<v1::JobEvent>* WatchJobs(const v1::WatchJobsRequest& request, Backend& backend) {
  const auto stream = std::make_shared<ProjectStream>(request, backend);
  stream->Begin(*backend.streams, Draining());
  return stream.get();
}

}  // namespace pivot
