// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_STORE_H_
#define PIVOT_SERVER_STORE_STORE_H_

// Jobs, their events, attempts, leases and checkpoints, in SQLite. What a call has acknowledged survives the process
// and the machine's power.
//
// Every function may be called from any thread and may take milliseconds: not from a reaction of gRPC. One connection
// writes, others read beside it. kNotFound stands for what is not there, with no message for people.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "server/store/records.h"
#include "server/store/sqlite.h"
#include "server/store/transition.h"

namespace pivot {

struct WriteBatch;

class Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path, StoreHooks hooks = {});
  ~Store();

  // Jobs.
  /// Creates a queued job and returns its uid, or that of the job which the same request made before. kAlreadyExists
  /// JOB_EXISTS, kFailedPrecondition REQUEST_ID_REUSED and RESUME_NOT_POSSIBLE, kResourceExhausted QUEUE_FULL and
  /// QUOTA_EXCEEDED.
  absl::StatusOr<std::string> CreateJob(NewJob job);
  /// The uid of the job that this request made; empty when it is new.
  absl::StatusOr<std::string> FindRequest(const NewJob& job);
  absl::StatusOr<std::string> FindJob(absl::string_view project, absl::string_view id);
  absl::StatusOr<JobRecord> ReadJob(absl::string_view uid, JobDetail detail = JobDetail::kFull);
  absl::StatusOr<JobHead> ReadJobHead(absl::string_view uid);
  /// A page of large jobs holds fewer. kInvalidArgument INVALID_PAGE_TOKEN, INVALID_FILTER, INVALID_REQUEST.
  absl::StatusOr<JobPage> ListJobs(const JobListing& listing);
  /// Of a job that is not terminal; the ttl of any. kAborted ETAG_MISMATCH unless `etag` is empty or the job's own,
  /// kFailedPrecondition ILLEGAL_STATE.
  absl::Status UpdateJob(absl::string_view uid, absl::string_view etag, const JobChange& change);
  /// Removes all rows of a terminal or suspended job; of its request a tombstone stays. Errors as UpdateJob().
  absl::StatusOr<DeletedJob> DeleteJob(absl::string_view uid, absl::string_view etag);
  absl::StatusOr<QueueFigures> ReadQueueFigures();

  // Deadlines, by the store's clock.
  /// When the next job will have waited, or been kept, for long enough; InfiniteFuture when none ever will.
  absl::StatusOr<absl::Time> ReadNextDeadline();
  /// Fails one job that has been queued for longer than its queue_timeout; nothing when there is none.
  absl::StatusOr<std::optional<OverdueJob>> FailOverdueJob();
  /// Deletes one job that is past its expire_time, as DeleteJob() does; nothing when there is none.
  absl::StatusOr<std::optional<DeletedJob>> DeleteExpiredJob();

  // Events.
  /// Nothing when there is none of that number yet.
  absl::StatusOr<std::optional<v1::JobEvent>> ReadEvent(absl::string_view job_uid, uint64_t seq);
  /// The project's next event after a cursor, with project_seq, deletions of jobs too; nothing when there is none yet.
  absl::StatusOr<std::optional<v1::JobEvent>> ReadProjectEvent(absl::string_view project, uint64_t after_project_seq);
  /// Of the project's newest event, also of a job that was deleted; 0 for a project that had none.
  absl::StatusOr<uint64_t> ReadProjectSeq(absl::string_view project);
  /// For a worker, while it holds its lease; else IsStateMovedOn.
  absl::Status AppendEvent(const AttemptKey& key, v1::JobEvent event);

  // The life of a job. IsStateMovedOn when somebody else was first.
  /// Highest priority first, then oldest.
  absl::StatusOr<std::vector<QueuedJob>> ReadQueue();
  /// All that the scheduler decides by; ReadQueue() is part of it.
  absl::StatusOr<QueueSnapshot> ReadSnapshot();
  absl::StatusOr<std::vector<LeasedDevice>> ReadLeases();
  /// Of jobs that are still queued. No event, and no new etag: waiting is all they do.
  absl::Status ExplainWaits(const std::vector<WaitReason>& reasons);
  /// QUEUED becomes RUNNING with a lease of `device`, a name that stays the device's own; people call it `device_name`.
  /// The lease reserves the job's needs.
  absl::StatusOr<AttemptKey> Claim(const QueuedJob& job, const std::string& device, const std::string& device_name);
  /// Does what a client asks, as StateAfter() has it, and returns what the job is now. When that means to wait in the
  /// queue: kResourceExhausted QUEUE_FULL and QUOTA_EXCEEDED, and ILLEGAL_STATE while another job works in its staging
  /// folder.
  absl::StatusOr<v1::State> SteerJob(absl::string_view uid, Steer steer, const QueueLimits& limits = {});
  /// Ends the attempt and moves the job from `from` on.
  absl::Status EndAttempt(const AttemptKey& key, v1::State from, v1::Attempt ended, const StateChange& change);
  /// For the start: ends every attempt that no end was written for, with the cause SERVER_DIED. Returns their number.
  absl::StatusOr<int> EndLostAttempts();

  // Checkpoints.
  /// Makes a checkpoint visible; the worker must hold its lease.
  absl::Status AddCheckpoint(const AttemptKey& key, const CheckpointRecord& checkpoint);
  absl::StatusOr<CheckpointRecord> ReadCheckpoint(absl::string_view job_uid, int number);
  absl::StatusOr<std::vector<std::string>> ReadObjects();
  /// Calls `body` with the jobs that work or worked in this staging folder; until it returns none of them changes.
  absl::Status WithStagingUses(absl::string_view staging_uid,
                               absl::FunctionRef<absl::Status(const std::vector<StagingUse>&)> body);

 private:
  class Reader;

  Store(std::string path, std::unique_ptr<Database> writer, StoreHooks hooks);
  absl::StatusOr<Reader> BorrowReader();
  /// Runs `body` in a transaction, in this thread or another one that writes just now; if it is OK, what it did is
  /// committed and synced when this returns, and the hooks were told. Otherwise nothing of it stays. `kind` names its
  /// crash points.
  absl::Status Write(absl::string_view kind, absl::FunctionRef<absl::Status(WriteBatch&)> body);
  struct Writing;
  void WriteGroup(const std::vector<Writing*>& group);
  absl::Status WriteTogether(const std::vector<Writing*>& group);
  absl::Status WriteAlone(Writing& one, WriteBatch& batch);
  absl::Status WriteBesides(Writing& one, WriteBatch& batch);
  int64_t NowMicros() const;

  const std::string path_;
  const StoreHooks hooks_;

  std::mutex write_mutex_;
  std::condition_variable written_;
  std::vector<Writing*> waiting_writes_;
  bool is_writing_ = false;
  // Of the thread that is writing.
  std::unique_ptr<Database> writer_;
  int64_t last_us_ = 0;  // of the newest write: times never go back, and no two writes have the same
  int64_t num_queued_ = 0;

  std::mutex readers_mutex_;
  std::condition_variable reader_returned_;
  std::vector<std::unique_ptr<Database>> idle_readers_;
  int num_readers_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_STORE_H_
