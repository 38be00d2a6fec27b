// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ERRORS_H_
#define PIVOT_SERVER_ERRORS_H_

// The server's errors, one constructor each. Their reasons are part of the API; messages are for people.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pivot {

// What the caller wrote.
absl::Status InvalidSpec(absl::string_view field, absl::string_view message);
absl::Status InvalidName(absl::string_view field, absl::string_view message);
absl::Status InvalidRequest(absl::string_view field, absl::string_view message);
absl::Status InvalidPageToken(absl::string_view message = "page_token is not one that this server gave");
absl::Status InvalidFilter(absl::string_view message);
absl::Status PathNotAllowed(absl::string_view field, absl::string_view message);
absl::Status SourceNotAvailable(absl::string_view field, absl::string_view path);

// Who calls. Of AccessDenied the message must be the same whether what was asked for exists or not.
absl::Status CredentialMissing();
absl::Status CredentialInvalid(absl::string_view message);
absl::Status CredentialExpired();
absl::Status AccessDenied(absl::string_view message);

// What is there already, or is not.
absl::Status JobNotFound(absl::string_view name);
absl::Status JobExists(absl::string_view name);
absl::Status CheckpointNotFound(absl::string_view name);
/// Of a job that had `num_attempts`.
absl::Status AttemptNotFound(absl::string_view job, int attempt, int num_attempts);
absl::Status FileNotFound(absl::string_view path, absl::string_view checkpoint);
absl::Status RequestIdReused(absl::string_view request_id);
/// Of the job that this request made before.
absl::Status JobDeleted(absl::string_view request_id);
absl::Status EtagMismatch(absl::string_view name, absl::string_view etag);
absl::Status IllegalState(absl::string_view message);
absl::Status ResumeNotPossible(absl::string_view message);
absl::Status DeviceNotFound(absl::string_view message);
/// `field` is what the request calls the cursor.
absl::Status SequenceFromFuture(absl::string_view field, uint64_t cursor, uint64_t last_seq);
absl::Status OffsetBeyondEnd(int64_t offset, int64_t size);

// What the server cannot do now.
absl::Status QueueFull(int64_t max_queued);
absl::Status ServerBusy();
/// Of all callers together.
absl::Status TooManyStreams(int64_t limit);
/// One caller, or one project, has what it may have at once.
absl::Status QuotaExceeded(absl::string_view message);
/// Of a job that was queued for longer than this.
absl::Status QueueTimeout(absl::Duration limit);
absl::Status Draining();
absl::Status DiskFull(absl::string_view message);

// What is broken.
absl::Status ChecksumMismatch(absl::string_view path);
absl::Status ProbeFailed(absl::string_view message);
absl::Status ProbeTimeout(absl::Duration limit);
absl::Status TorchNotFound(absl::string_view message);
absl::Status WorkerNotStarted(absl::string_view message);

// Between the server's parts; a client never sees them.
/// Somebody else changed the job first.
absl::Status StateMovedOn();
bool IsStateMovedOn(const absl::Status& status);

/// `status` with the time after which another try makes sense; it becomes google.rpc.RetryInfo.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);
/// Zero when none was given.
absl::Duration RetryDelayOf(const absl::Status& status);

}  // namespace pivot

#endif  // PIVOT_SERVER_ERRORS_H_
