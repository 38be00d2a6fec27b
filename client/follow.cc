// SPDX-License-Identifier: Apache-2.0
#include "client/follow.h"

#include "absl/strings/str_cat.h"

#include "client/backoff.h"
#include "client/jobs.h"
#include "client/watch.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

class Follower {
 public:
  Follower(const std::string& job, Session* session, Reporter* reporter)
      : job_(job), session_(session), reporter_(reporter) {}

  absl::Status Watch(const std::stop_token& stop) {
    WatchOptions options{.after_seq = last_seq_, .stop = stop};
    options.before_reconnect = [this](const absl::Status& lost) {
      PIVOT_RETURN_IF_ERROR(session_->CheckAlive());
      reporter_->Note(absl::StrCat(lost.message(), "; trying again"));
      return absl::OkStatus();
    };
    return WatchJob(session_->connection(), job_, options, [this](const v1::JobEvent& event) {
      if (event.seq() > 0) last_seq_ = event.seq();
      reporter_->OnEvent(event);
    });
  }

 private:
  const std::string& job_;
  Session* session_;
  Reporter* reporter_;
  uint64_t last_seq_ = 0;
};

}  // namespace

absl::StatusOr<v1::Job> FollowJob(const v1::Job& job, Session* session, Reporter* reporter,
                                  const FollowOptions& options) {
  reporter->Begin(job);
  Follower follower(job.name(), session, reporter);
  absl::Status status = follower.Watch(options.stop);
  if (IsInterrupted(status) && options.on_stop != OnStop::kLeave) {
    if (options.on_stop == OnStop::kCancelAndWait) {
      reporter->Note("stopping: what is finished will be kept; Ctrl-C again leaves at once");
    }
    if (const auto cancelled = CancelJob(session->connection(), job.name()); !cancelled.ok()) {
      reporter->Note(absl::StrCat(job.name(), " could not be cancelled: ", cancelled.status().message()));
    } else if (options.on_stop == OnStop::kCancelAndWait) {
      status = follower.Watch({});
    }
  }
  PIVOT_RETURN_IF_ERROR(status);
  return GetJob(session->connection(), job.name());
}

}  // namespace pivot::client
