// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_NAMES_H_
#define PIVOT_SERVER_NAMES_H_

// Names of resources as clients write them, and the ids that the server makes.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

struct JobName {
  std::string project;
  std::string job;
};

struct CheckpointName {
  JobName job;
  int number = 0;
};

/// [a-z]([a-z0-9-]{0,61}[a-z0-9])?
bool IsResourceId(absl::string_view id);

/// Eight, four, four, four and twelve hex digits with dashes between.
bool IsUuid(absl::string_view text);

/// The project's id of "projects/{project}". The errors of these three are kInvalidArgument and name `field`.
absl::StatusOr<std::string> ParseProjectName(absl::string_view name, absl::string_view field);

/// "projects/{project}/jobs/{job}"
absl::StatusOr<JobName> ParseJobName(absl::string_view name, absl::string_view field);

/// "projects/{project}/jobs/{job}/checkpoints/{number}"
absl::StatusOr<CheckpointName> ParseCheckpointName(absl::string_view name, absl::string_view field);

/// "projects/{project}" of a job's name.
absl::string_view ProjectOfJob(absl::string_view job_name);

std::string FormatJobName(absl::string_view project, absl::string_view job);
std::string FormatCheckpointName(absl::string_view job_name, int number);

/// A UUID of version 7: unique for ever, sorts by time, safe as the name of a file.
std::string NewUid();

/// A resource id that nobody chose: "job-" and ten letters and digits.
std::string NewJobId();

}  // namespace pivot

#endif  // PIVOT_SERVER_NAMES_H_
