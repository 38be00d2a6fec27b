// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_ROWS_H_
#define PIVOT_SERVER_STORE_ROWS_H_

// The store's statements, one function each; the caller holds the connection and its transaction.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/store/records.h"
#include "server/store/sqlite.h"

namespace pivot {

/// A write transaction in the making.
struct WriteBatch {
  Database& database;
  int64_t now_us;
  int64_t num_queued = 0;                                    // jobs, as it is now
  std::vector<std::pair<std::string, v1::JobEvent>> events;  // job uid and event, told to the hooks after the commit
};

/// Whose state changes: the guard of the one statement that does it.
struct StateGuard {
  std::string job_uid;
  v1::State from = v1::STATE_UNSPECIFIED;
  int attempt = 0;
};

// Reading.
absl::StatusOr<JobRecord> LoadJob(Database& database, absl::string_view uid, JobDetail detail);
/// kNotFound without a message for people: the caller knows the name.
absl::StatusOr<std::string> FindJobUid(Database& database, absl::string_view project, absl::string_view id);
absl::StatusOr<JobHead> LoadJobHead(Database& database, absl::string_view uid);
absl::StatusOr<v1::Attempt> LoadAttempt(Database& database, absl::string_view job_uid, int number);
/// The uid of the job that a request made; empty when the request is new. kFailedPrecondition REQUEST_ID_REUSED and
/// JOB_DELETED.
absl::StatusOr<std::string> FindRequest(Database& database, const NewJob& job);
/// Name of a job besides `except_uid` that works in this staging folder or is going to; empty when there is none.
absl::StatusOr<std::string> FindStagingUser(Database& database, absl::string_view staging_uid,
                                            absl::string_view except_uid);
/// kResourceExhausted QUEUE_FULL.
absl::Status CheckRoom(const WriteBatch& batch, absl::string_view project, const QueueLimits& limits);

/// Job.etag of this revision.
std::string FormatEtag(absl::string_view uid, int64_t revision);

// Writing.
/// Adds labels to a job that has none of these keys.
absl::Status InsertLabels(WriteBatch& batch, absl::string_view uid, const std::map<std::string, std::string>& labels);
/// The next project_seq.
absl::StatusOr<int64_t> TakeProjectSequence(WriteBatch& batch, absl::string_view project);
/// Numbers the event and stores it. With `fence`, only while that attempt holds its lease, else IsStateMovedOn.
absl::Status AppendEvent(WriteBatch& batch, absl::string_view job_uid, v1::JobEvent event,
                         const AttemptKey* fence = nullptr);

/// The only place where the state of a job changes. IsStateMovedOn when the guard does not hold any more;
/// kFailedPrecondition ILLEGAL_STATE when the table has no such transition.
absl::Status ChangeState(WriteBatch& batch, const StateGuard& guard, const StateChange& change);

/// The first deletion of a project's job after a cursor.
absl::StatusOr<std::optional<v1::JobEvent>> NextDeletion(Database& database, absl::string_view project,
                                                         uint64_t after_project_seq);

/// As Store::DeleteJob().
absl::StatusOr<DeletedJob> DeleteJobRows(WriteBatch& batch, absl::string_view uid, absl::string_view etag);

/// Ends an attempt: gives the lease back, charges the project, closes its row, tells it, and moves the job on.
absl::Status CloseAttempt(WriteBatch& batch, const AttemptKey& key, v1::State from, v1::Attempt ended,
                          const StateChange& change);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_ROWS_H_
