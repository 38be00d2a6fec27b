// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_JOBS_H_
#define PIVOT_CLIENT_JOBS_H_

// Jobs on a server: made, looked at, ended.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/capabilities.pb.h"
#include "pivot/v1/job.pb.h"

#include "client/connection.h"

namespace pivot::client {

inline constexpr char kDefaultProject[] = "projects/default";

struct CreateOptions {
  std::string parent = kDefaultProject;
  /// See client/request_id.h. Empty: the call must not be repeated.
  std::string request_id;
  /// Name of an ended job whose finished blocks the new one takes over.
  std::string resume_from;
  CallLimits limits = {.timeout = absl::Minutes(3)};
};

absl::StatusOr<v1::Job> CreateJob(const Connection& connection, const v1::JobSpec& spec, const CreateOptions& options);

/// The plan of the job that `spec` would make; nothing is queued.
absl::StatusOr<v1::Plan> PlanJob(const Connection& connection, const v1::JobSpec& spec, const CreateOptions& options);

absl::StatusOr<v1::Job> GetJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});

/// The newest `limit` jobs of a project, newest first; 0: all of them.
absl::StatusOr<std::vector<v1::Job>> ListJobs(const Connection& connection, const std::string& parent, size_t limit,
                                              const CallLimits& limits = {});

absl::StatusOr<v1::Job> CancelJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});
absl::StatusOr<v1::Job> SuspendJob(const Connection& connection, const std::string& name,
                                   const CallLimits& limits = {});
absl::StatusOr<v1::Job> ResumeJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});
absl::StatusOr<v1::Job> RetryJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});

absl::StatusOr<v1::ServerCapabilities> GetCapabilities(const Connection& connection, const CallLimits& limits = {});

/// SUCCEEDED, FAILED or CANCELLED.
bool IsTerminal(v1::State state);

/// "queued" for STATE_QUEUED.
std::string StateName(v1::State state);

/// The full name of what a person wrote: that itself, or an id in the default project. kInvalidArgument when it is
/// neither.
absl::StatusOr<std::string> JobName(absl::string_view text);

/// The last part of a name.
std::string ShortName(absl::string_view name);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_JOBS_H_
