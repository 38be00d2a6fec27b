// SPDX-License-Identifier: Apache-2.0
#include "client/exit_code.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

#include "client/backoff.h"
#include "client/connection.h"
#include "client/jobs.h"
#include "proto/status/reason.h"

namespace pivot::client {
namespace {

constexpr absl::string_view kJobUrl = "pivot/job";

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kDone;
  if (IsInterrupted(status)) return ExitCode::kInterrupted;
  if (status.GetPayload(kJobUrl).has_value()) return ExitCode::kFailed;
  if (ReasonOf(status) == "USAGE") return ExitCode::kUsage;
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kNotAllowed;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      // A server's answer always has a reason of its own; without one it is a disk or a program here that failed.
      return ReasonOf(status) == CodeName(status.code()) ? ExitCode::kFailed : ExitCode::kUnreachable;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kDamaged;
    default:
      return ExitCode::kFailed;
  }
}

absl::Status UsageError(absl::string_view message, absl::string_view argument) {
  return WithReason(absl::InvalidArgumentError(message), "USAGE", argument);
}

absl::Status JobOutcome(const v1::Job& job) {
  if (job.state() == v1::STATE_SUCCEEDED) return absl::OkStatus();
  absl::Status status = absl::CancelledError(absl::StrCat(job.name(), " was cancelled"));
  if (job.state() == v1::STATE_FAILED) status = FromRpcStatus(job.error());
  if (!IsTerminal(job.state()))
    status = absl::AbortedError(absl::StrCat(job.name(), " is still ", StateName(job.state())));
  status.SetPayload(kJobUrl, absl::Cord(job.name()));
  return status;
}

}  // namespace pivot::client
