// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/following_stream.h"
#include "server/handlers/handlers.h"
#include "server/names.h"

namespace pivot {
namespace {

class ProjectStream final : public FollowingStream<v1::JobEvent> {
 public:
  ProjectStream(v1::WatchJobsRequest request, StreamAdmission admission, Backend& backend)
      : FollowingStream(backend.control, backend, std::move(admission), "WatchJobs"),
        request_(std::move(request)),
        cursor_(request_.after_project_seq()) {}

 private:
  absl::StatusOr<Step> Look(v1::JobEvent* message) override {
    if (project_.empty()) {
      PIVOT_RETURN_IF_ERROR(Open());
      if (request_.from_now()) return Beat(message);
    }
    if (const auto recent = backend().hub->recent().AfterInProject(topic_, cursor_); recent != nullptr) {
      *message = *recent;
      cursor_ = message->project_seq();
      return Step::kWrite;
    }
    PIVOT_ASSIGN_OR_RETURN(std::optional<v1::JobEvent> event, backend().store->ReadProjectEvent(project_, cursor_));
    if (event.has_value()) {
      *message = *std::move(event);
      cursor_ = message->project_seq();
      return Step::kWrite;
    }
    return HeartbeatIsDue() ? Beat(message) : Step::kWait;
  }

  absl::Status Open() {
    PIVOT_ASSIGN_OR_RETURN(const std::string project, ParseProjectName(request_.parent(), "parent"));
    if (request_.from_now() && cursor_ > 0) {
      return InvalidRequest("after_project_seq", "after_project_seq must be 0 with from_now");
    }
    // Before the look: what is stored after it wakes us again.
    backend().hub->Subscribe(ProjectTopic(project), Self());
    PIVOT_ASSIGN_OR_RETURN(const uint64_t last, backend().store->ReadProjectSeq(project));
    if (cursor_ > last) return SequenceFromFuture("after_project_seq", cursor_, last);
    if (request_.from_now()) cursor_ = last;
    project_ = project;
    topic_ = ProjectTopic(project);
    return absl::OkStatus();
  }

  Step Beat(v1::JobEvent* message) const {
    message->mutable_heartbeat();
    message->set_project_seq(cursor_);
    *message->mutable_time() = ToTimestamp(absl::ToUnixMicros(absl::Now()));
    return Step::kWrite;
  }

  const v1::WatchJobsRequest request_;

  // Used by Next() alone.
  std::string project_;  // empty: not begun
  std::string topic_;
  uint64_t cursor_;
};

}  // namespace

grpc::ServerWriteReactor<v1::JobEvent>* WatchJobs(const v1::WatchJobsRequest& request, StreamAdmission admission,
                                                  Backend& backend) {
  const absl::Status admitted = admission.status();
  const auto stream = std::make_shared<ProjectStream>(request, std::move(admission), backend);
  stream->Begin(*backend.streams, admitted);
  return stream.get();
}

}  // namespace pivot
