// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_OUTCOME_H_
#define PIVOT_SERVER_WORKER_OUTCOME_H_

// From what was seen of a worker to what becomes of its job: pure functions over the table of proto/worker.md.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

#include "server/process/spawn.h"
#include "server/store/records.h"
#include "server/worker/watchdog.h"

namespace pivot {

inline constexpr int kMaxCrashes = 3;

/// Cause of an attempt.
inline constexpr char kOutOfGpuMemory[] = "GPU_OUT_OF_MEMORY";

/// The worker's Error frame.
struct WorkerError {
  absl::Status status;
  bool retryable = false;
};

/// All that was seen of one attempt.
struct AttemptFacts {
  ProcessEnd end;
  bool done = false;                        // a Done frame that made sense
  std::optional<WorkerError> error;         // an Error frame
  std::optional<absl::Status> not_started;  // no process came to be
  std::optional<absl::Status> refused;      // its folder was not published
  std::optional<absl::Status> store_fault;  // its events could not be stored
  std::string protocol_fault;               // what was wrong with a frame; empty: nothing
  bool cancel_asked = false;
  bool suspend_asked = false;
  bool preempted = false;  // its device is for a more urgent job
  bool stopped = false;    // the server shuts down
  std::optional<absl::Duration>
      timed_out;  // it ran for longer than this, and was asked to end before anything else was
  Watchdog::Verdict verdict = Watchdog::Verdict::kNone;
};

struct Outcome {
  enum class Next {
    kSucceed,
    kCancel,
    kFail,
    kRetry,    // counts as a crash
    kRequeue,  // not the worker's fault
  };
  std::string cause;  // as Attempt.cause
  Next next = Next::kRetry;
  absl::Status error;  // not OK for kFail and kRetry
};

Outcome Judge(const AttemptFacts& facts);

/// What an attempt that ran out of its GPU's memory leads to.
enum class OnGpuOutOfMemory { kFail, kTryWithLess };

/// Whether one of the job's attempts since it was last retried ended so.
bool RanOutOfGpuMemory(const JobRecord& record);

/// Once more with less on the GPU, where the plan has that to offer and the attempt did not do it already.
OnGpuOutOfMemory AfterGpuOutOfMemory(const v1::Plan& plan, const v1::Attempt& attempt);

/// The job's next state, given the state it is in and how many of its earlier attempts crashed.
StateChange NextState(const Outcome& outcome, v1::State state, int earlier_crashes,
                      OnGpuOutOfMemory on_out_of_memory = OnGpuOutOfMemory::kFail);

/// Whether an attempt with this cause counts towards kMaxCrashes.
bool IsCrash(absl::string_view cause);

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_OUTCOME_H_
