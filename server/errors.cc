// SPDX-License-Identifier: Apache-2.0
#include "server/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"

namespace pivot {
namespace {

constexpr absl::string_view kRetryDelayUrl = "pivot/retry-delay-milliseconds";
constexpr char kStateMovedOn[] = "STATE_MOVED_ON";
constexpr absl::Duration kBriefDelay = absl::Seconds(1);
constexpr absl::Duration kQueueDelay = absl::Seconds(30);

}  // namespace

absl::Status InvalidSpec(absl::string_view field, absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "INVALID_SPEC", field);
}

absl::Status InvalidName(absl::string_view field, absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "INVALID_NAME", field);
}

absl::Status InvalidRequest(absl::string_view field, absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "INVALID_REQUEST", field);
}

absl::Status InvalidPageToken(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "INVALID_PAGE_TOKEN", "page_token");
}

absl::Status InvalidFilter(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "INVALID_FILTER", "filter");
}

absl::Status PathNotAllowed(absl::string_view field, absl::string_view message) {
  return WithReason(absl::PermissionDeniedError(message), "PATH_NOT_ALLOWED", field);
}

absl::Status SourceNotAvailable(absl::string_view field, absl::string_view path) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(field, ": ", path, " does not exist on the server")),
                    "SOURCE_NOT_AVAILABLE", field);
}

absl::Status CredentialMissing() {
  return WithReason(
      absl::UnauthenticatedError("the call shows no credential: a token (pivot: PIVOT_TOKEN or --token-file) or a "
                                 "client certificate is needed"),
      "CREDENTIAL_MISSING");
}

absl::Status CredentialInvalid(absl::string_view message) {
  return WithReason(absl::UnauthenticatedError(message), "CREDENTIAL_INVALID");
}

absl::Status CredentialExpired() {
  return WithReason(absl::UnauthenticatedError("the token has expired; ask for a new one"), "CREDENTIAL_EXPIRED");
}

absl::Status AccessDenied(absl::string_view message) {
  return WithReason(absl::PermissionDeniedError(message), "ACCESS_DENIED");
}

absl::Status JobNotFound(absl::string_view name) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no job ", name)), "JOB_NOT_FOUND");
}

absl::Status JobExists(absl::string_view name) {
  return WithReason(absl::AlreadyExistsError(absl::StrCat(name, " exists already; choose another job_id")),
                    "JOB_EXISTS", "job_id");
}

absl::Status CheckpointNotFound(absl::string_view name) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no checkpoint ", name)), "CHECKPOINT_NOT_FOUND");
}

absl::Status AttemptNotFound(absl::string_view job, int attempt, int num_attempts) {
  return WithReason(
      absl::NotFoundError(absl::StrCat(job, " has had ", num_attempts, num_attempts == 1 ? " attempt" : " attempts",
                                       "; there is no ", attempt)),
      "ATTEMPT_NOT_FOUND");
}

absl::Status FileNotFound(absl::string_view path, absl::string_view checkpoint) {
  return WithReason(
      absl::NotFoundError(absl::StrCat("the manifest of ", checkpoint, " lists no file \"", path.substr(0, 512), "\"")),
      "FILE_NOT_FOUND", "path");
}

absl::Status RequestIdReused(absl::string_view request_id) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "request_id ", request_id, " was used before with another content; take a new one")),
                    "REQUEST_ID_REUSED", "request_id");
}

absl::Status JobDeleted(absl::string_view request_id) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat("the job that request_id ", request_id,
                                                               " made was deleted; take a new one to make it again")),
                    "JOB_DELETED", "request_id");
}

absl::Status EtagMismatch(absl::string_view name, absl::string_view etag) {
  return WithReason(
      absl::AbortedError(absl::StrCat(name, " has changed: its etag is ", etag, " now; look at it again")),
      "ETAG_MISMATCH", "etag");
}

absl::Status IllegalState(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "ILLEGAL_STATE");
}

absl::Status ResumeNotPossible(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "RESUME_NOT_POSSIBLE", "resume_from");
}

absl::Status DeviceNotFound(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "DEVICE_NOT_FOUND", "job.spec.device");
}

absl::Status SequenceFromFuture(absl::string_view field, uint64_t cursor, uint64_t last_seq) {
  return WithReason(absl::OutOfRangeError(absl::StrCat(field, " is ", cursor, " but the newest event is ", last_seq,
                                                       "; watch again from the beginning")),
                    "SEQ_FROM_FUTURE", field);
}

absl::Status OffsetBeyondEnd(int64_t offset, int64_t size) {
  return WithReason(absl::OutOfRangeError(absl::StrCat("offset is ", offset, " but there are ", size, " bytes")),
                    "OFFSET_BEYOND_END", "offset");
}

absl::Status QueueFull(int64_t max_queued) {
  return WithRetryDelay(
      WithReason(absl::ResourceExhaustedError(
                     absl::StrCat(max_queued, " jobs are waiting, the most that this server takes; try again later")),
                 "QUEUE_FULL"),
      kQueueDelay);
}

absl::Status ServerBusy() {
  return WithRetryDelay(
      WithReason(absl::ResourceExhaustedError("too many jobs are being created at once; try again"), "SERVER_BUSY"),
      kBriefDelay);
}

absl::Status TooManyStreams(int64_t limit) {
  return WithRetryDelay(
      WithReason(absl::ResourceExhaustedError(absl::StrCat(
                     limit, " streams of this kind are open, the most that this server takes; try again later")),
                 "SERVER_BUSY"),
      kBriefDelay);
}

absl::Status QuotaExceeded(absl::string_view message) {
  return WithRetryDelay(WithReason(absl::ResourceExhaustedError(message), "QUOTA_EXCEEDED"), kQueueDelay);
}

absl::Status QueueTimeout(absl::Duration limit) {
  return WithReason(
      absl::DeadlineExceededError(
          absl::StrCat("the job waited in the queue for longer than its queue_timeout of ", absl::FormatDuration(limit),
                       "; retry it to let it wait once more, or create one with a longer queue_timeout")),
      "QUEUE_TIMEOUT");
}

absl::Status Draining() {
  return WithRetryDelay(
      WithReason(absl::UnavailableError("the server is shutting down; try again when it is back"), "DRAINING"),
      kBriefDelay);
}

absl::Status DiskFull(absl::string_view message) {
  return WithReason(absl::ResourceExhaustedError(message), "DISK_FULL");
}

absl::Status ChecksumMismatch(absl::string_view path) {
  return WithReason(
      absl::DataLossError(absl::StrCat("the stored bytes of ", path, " are damaged: they do not match their hash")),
      "CHECKSUM_MISMATCH");
}

absl::Status ProbeFailed(absl::string_view message) {
  return WithReason(absl::InternalError(absl::StrCat("the source could not be examined: ", message)), "PROBE_FAILED");
}

absl::Status ProbeTimeout(absl::Duration limit) {
  return WithReason(absl::DeadlineExceededError(absl::StrCat("examining the source took more than ",
                                                             absl::FormatDuration(limit), " and was stopped")),
                    "PROBE_TIMEOUT");
}

absl::Status TorchNotFound(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "TORCH_NOT_FOUND");
}

absl::Status WorkerNotStarted(absl::string_view message) {
  return WithReason(absl::InternalError(message), "WORKER_NOT_STARTED");
}

absl::Status StateMovedOn() {
  return WithReason(absl::AbortedError("the job has changed in the meantime; look at it again"), kStateMovedOn);
}

bool IsStateMovedOn(const absl::Status& status) { return absl::IsAborted(status) && ReasonOf(status) == kStateMovedOn; }

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  status.SetPayload(kRetryDelayUrl, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(delay))));
  return status;
}

absl::Duration RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryDelayUrl);
  int64_t milliseconds = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return absl::ZeroDuration();
  return absl::Milliseconds(milliseconds);
}

}  // namespace pivot
