// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_JOBS_H_
#define PIVOT_CLIENT_JOBS_H_

// Jobs on a server: made, looked at, steered, deleted.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "pivot/v1/capabilities.pb.h"
#include "pivot/v1/job.pb.h"

#include "client/connection.h"

namespace pivot::client {

inline constexpr char kDefaultProject[] = "projects/default";

struct CreateOptions {
  std::string parent = kDefaultProject;
  /// See client/request_id.h. Empty: the call must not be repeated.
  std::string request_id;
  std::map<std::string, std::string> labels;
  /// Name of an ended job whose finished blocks the new one takes over.
  std::string resume_from;
  CallLimits limits = {.timeout = absl::Minutes(3)};
};

absl::StatusOr<v1::Job> CreateJob(const Connection& connection, const v1::JobSpec& spec, const CreateOptions& options);

/// The plan of the job that `spec` would make; nothing is queued.
absl::StatusOr<v1::Plan> PlanJob(const Connection& connection, const v1::JobSpec& spec, const CreateOptions& options);

absl::StatusOr<v1::Job> GetJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});

struct ListOptions {
  size_t limit = 0;      // 0: all
  std::string filter;    // as ListJobsRequest has it
  std::string order_by;  // empty: newest first
  CallLimits limits;
};

/// The first jobs of a project.
absl::StatusOr<std::vector<v1::Job>> ListJobs(const Connection& connection, const std::string& parent,
                                              const ListOptions& options = {});

absl::StatusOr<v1::Job> CancelJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});
absl::StatusOr<v1::Job> SuspendJob(const Connection& connection, const std::string& name,
                                   const CallLimits& limits = {});
absl::StatusOr<v1::Job> ResumeJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});
absl::StatusOr<v1::Job> RetryJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});

struct JobUpdate {
  std::optional<int32_t> priority;
  std::map<std::string, std::string> labels;  // set, whatever they were
  std::vector<std::string> removed_labels;
  // Infinite: none.
  std::optional<absl::Duration> queue_timeout;
  std::optional<absl::Duration> ttl;

  bool changes_labels() const { return !labels.empty() || !removed_labels.empty(); }
  bool changes_something() const {
    return changes_labels() || priority.has_value() || queue_timeout.has_value() || ttl.has_value();
  }
};

/// Labels that the update does not name stay, also when somebody else changes them at the same time.
absl::StatusOr<v1::Job> UpdateJob(const Connection& connection, const std::string& name, const JobUpdate& update,
                                  const CallLimits& limits = {});

absl::Status DeleteJob(const Connection& connection, const std::string& name, const CallLimits& limits = {});

absl::StatusOr<v1::ServerCapabilities> GetCapabilities(const Connection& connection, const CallLimits& limits = {});

google::protobuf::Duration ToDuration(absl::Duration time);

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
