// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_TRANSITION_H_
#define PIVOT_SERVER_STORE_TRANSITION_H_

// Which state of a job may follow which.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/job.pb.h"

namespace pivot {

/// The whole table. UNSPECIFIED is the state before creation.
bool MayFollow(v1::State from, v1::State to);

/// SUCCEEDED, FAILED and CANCELLED: a job comes out of the last two only by kRetry, out of the first never.
bool IsTerminal(v1::State state);

/// What a client may ask of a job that exists.
enum class Steer { kCancel, kSuspend, kResume, kRetry };

/// The state that a job which is `from` comes to; `from` itself when there is nothing to change. kFailedPrecondition
/// ILLEGAL_STATE, naming the job and what to do instead.
absl::StatusOr<v1::State> StateAfter(Steer steer, v1::State from, absl::string_view job_name);

/// OK for what may be deleted, terminal and SUSPENDED; else ILLEGAL_STATE.
absl::Status CheckMayDelete(v1::State state, absl::string_view job_name);

/// OK for what may be updated, all that is not terminal; else ILLEGAL_STATE.
absl::Status CheckMayUpdate(v1::State state, absl::string_view job_name);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_TRANSITION_H_
