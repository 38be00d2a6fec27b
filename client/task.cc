// SPDX-License-Identifier: Apache-2.0
#include "client/task.h"

#include "client/exit_code.h"
#include "client/follow.h"
#include "client/jobs.h"
#include "client/request_id.h"
#include "client/source_paths.h"
#include "client/temporary_folder.h"
#include "proto/status/status_macros.h"

namespace pivot::client {

absl::StatusOr<std::unique_ptr<Session>> OpenTaskSession(const v1::JobSpec& spec, const ServerAddress& server,
                                                         const std::string& data_parent, const Console& console) {
  if (!server.empty()) return Session::Remote(server);
  return Session::Temporary(
      {.allow_paths = FoldersToRead(spec), .program = console.program_folder + "/pivotd", .stop = console.interrupted},
      data_parent.empty() ? TemporaryParent() : data_parent);
}

absl::StatusOr<v1::Job> RunTask(const v1::JobSpec& spec, Session* session, const Console& console, Reporter* reporter) {
  CreateOptions options{.request_id = RandomRequestId()};
  options.limits.stop = console.interrupted;
  PIVOT_ASSIGN_OR_RETURN(const v1::Job created, CreateJob(session->connection(), spec, options));
  PIVOT_ASSIGN_OR_RETURN(
      v1::Job job, FollowJob(created, session, reporter, {.stop = console.interrupted, .on_stop = OnStop::kCancel}));
  PIVOT_RETURN_IF_ERROR(JobOutcome(job));
  return job;
}

}  // namespace pivot::client
