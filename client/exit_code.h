// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_EXIT_CODE_H_
#define PIVOT_CLIENT_EXIT_CODE_H_

// What the shell is told.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/job.pb.h"

namespace pivot::client {

enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,  // the work failed, or the source was refused
  kUsage = 2,
  kNotAllowed = 3,
  kUnreachable = 4,
  kDamaged = 5,
  kInterrupted = 130,
};

/// The one place where statuses become exit codes.
ExitCode ExitCodeOf(const absl::Status& status);

/// The command line as it was given cannot be carried out. `argument` is the flag or argument at fault.
absl::Status UsageError(absl::string_view message, absl::string_view argument = "");

/// OK for a job that succeeded; else why it did not. Whatever the job's own error code, the exit code is kFailed.
absl::Status JobOutcome(const v1::Job& job);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_EXIT_CODE_H_
