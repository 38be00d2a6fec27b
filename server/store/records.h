// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_RECORDS_H_
#define PIVOT_SERVER_STORE_RECORDS_H_

// What the store takes and gives.

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"

#include "server/store/queue.h"

namespace pivot {

/// Of a JobSpec that names none.
inline constexpr int kDefaultPriority = 50;

/// What the store tells, in the thread that wrote, after the commit, without any lock; and what it takes for the time.
struct StoreHooks {
  std::function<void(const std::string& job_uid, const v1::JobEvent& event)> committed;
  std::function<void(absl::Duration)> commit_took;
  std::function<absl::Time()> now = absl::Now;
};

/// One run of a job as its lease knows it. Whoever writes for a worker shows it; once the lease has another token, it
/// is refused.
struct AttemptKey {
  std::string job_uid;
  int number = 0;
  int64_t token = 0;
};

struct NewJob {
  std::string project;
  std::string id;  // empty: chosen by the store
  v1::JobSpec spec;
  std::map<std::string, std::string> labels;
  std::optional<v1::Plan> plan;
  std::string request_id;      // empty: none
  std::string content_sha256;  // of the request
  std::string staging_uid;     // of the job that it resumes; empty: its own
  int64_t max_queued = 0;
  int64_t max_queued_of_project = std::numeric_limits<int64_t>::max();
  std::string creator;  // principal
};

struct JobRecord {
  v1::Job job;  // as the API shows it, but for progress
  std::string project;
  std::string staging_uid;
  int retried_after = 0;  // the newest attempt when RetryJob was last called: crashes count from the next one on
};

/// How much of a job a list shows: kShort leaves out plan.modules and attempts.log_tail, which may be long.
enum class JobDetail { kFull, kShort };

/// Which jobs, in which order, which part of them: ListJobsRequest's fields as they came.
struct JobListing {
  std::string project;
  std::string filter;
  std::string order_by;
  int page_size = 50;
  std::string page_token;
};

struct JobPage {
  std::vector<v1::Job> jobs;
  std::string next_page_token;
};

/// What changes while a job lives.
struct JobHead {
  v1::State state = v1::STATE_UNSPECIFIED;
  int attempt = 0;
  uint64_t last_seq = 0;
};

/// Why a job waits, for its state_reason.
struct WaitReason {
  std::string job_uid;
  std::string reason;
};

struct LeasedDevice {
  std::string device;
  std::string job_name;
};

struct StateChange {
  v1::State to = v1::STATE_UNSPECIFIED;
  std::string reason;
  std::optional<google::rpc::Status> error;  // with FAILED
  std::optional<v1::Result> result;          // with SUCCEEDED
};

/// What UpdateJob changes; absent: as it is.
struct JobChange {
  std::optional<int> priority;
  std::optional<std::map<std::string, std::string>> labels;
  // absl::InfiniteDuration(): none.
  std::optional<absl::Duration> queue_timeout;
  std::optional<absl::Duration> ttl;

  /// Whether it changes what is changed of jobs that go on alone.
  bool needs_live_job() const { return priority.has_value() || labels.has_value() || queue_timeout.has_value(); }
};

/// A job that waited for too long.
struct OverdueJob {
  std::string name;
  std::string staging_uid;
};

/// What a deleted job leaves on disk.
struct DeletedJob {
  std::string uid;
  std::string name;
  std::string staging_uid;
  std::vector<std::string> objects;  // folders below objects/
};

struct CheckpointRecord {
  v1::CheckpointRef ref;
  std::string object;  // folder below objects/
};

/// A staging folder's user.
struct StagingUse {
  v1::State state = v1::STATE_UNSPECIFIED;
  bool can_be_resumed = false;  // a compress task
};

struct QueueFigures {
  std::map<v1::State, int64_t> jobs;
  absl::Duration oldest_queued;  // zero when nothing waits
};

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_RECORDS_H_
