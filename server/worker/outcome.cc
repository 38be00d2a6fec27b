// SPDX-License-Identifier: Apache-2.0
#include "server/worker/outcome.h"

#include <array>
#include <cstring>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"
#include "proto/worker/frame.h"
#include "server/grpc_status.h"

namespace pivot {
namespace {

using Next = Outcome::Next;

struct ExitMeaning {
  WorkerExit code;
  const char* cause;
  Next next;
  absl::StatusCode error_code;
  const char* message;  // when the worker gave none
};

constexpr std::array<ExitMeaning, 6> kExits = {{
    {WorkerExit::kInvalidInput, "INVALID_INPUT", Next::kFail, absl::StatusCode::kInvalidArgument,
     "the worker refused the input"},
    {WorkerExit::kNumericalFailure, "NUMERICAL_FAILURE", Next::kFail, absl::StatusCode::kInternal,
     "a computation failed numerically"},
    {WorkerExit::kGpuOutOfMemory, kOutOfGpuMemory, Next::kFail, absl::StatusCode::kResourceExhausted,
     "the GPU has too little memory"},
    {WorkerExit::kHostOutOfMemory, "HOST_OUT_OF_MEMORY", Next::kFail, absl::StatusCode::kResourceExhausted,
     "the machine has too little memory"},
    {WorkerExit::kDeviceFault, "DEVICE_FAULT", Next::kRetry, absl::StatusCode::kInternal,
     "the device reported a fault"},
    {WorkerExit::kInputOutput, "INPUT_OUTPUT_FAILED", Next::kFail, absl::StatusCode::kUnavailable,
     "reading or writing files failed"},
}};

const ExitMeaning* FindExit(const ProcessEnd& end) {
  if (end.signal != 0) return nullptr;
  for (const ExitMeaning& meaning : kExits) {
    if (static_cast<int>(meaning.code) == end.exit_code) return &meaning;
  }
  return nullptr;
}

absl::Status WorkerFault(absl::StatusCode code, absl::string_view message, absl::string_view reason) {
  return WithReason(absl::Status(code, message), reason);
}

std::string DescribeEnd(const ProcessEnd& end) {
  if (end.signal != 0)
    return absl::StrCat("the worker was ended by signal ", end.signal, " (", strsignal(end.signal), ")");
  return absl::StrCat("the worker ended unexpectedly with exit code ", end.exit_code);
}

Outcome Crash(absl::string_view message) {
  return {"WORKER_CRASHED", Next::kRetry, WorkerFault(absl::StatusCode::kInternal, message, "WORKER_CRASHED")};
}

Outcome TimedOut(absl::Duration limit) {
  return {"RUN_TIMEOUT", Next::kFail,
          WorkerFault(absl::StatusCode::kDeadlineExceeded,
                      absl::StrCat("the attempt ran for longer than its run_timeout of ", absl::FormatDuration(limit),
                                   " and was stopped; retry the job to go on from its finished blocks, or create one "
                                   "with a longer run_timeout"),
                      "RUN_TIMEOUT")};
}

Outcome JudgeExit(const AttemptFacts& facts) {
  const ExitMeaning* meaning = FindExit(facts.end);
  if (meaning != nullptr) {
    return {meaning->cause, meaning->next,
            facts.error.has_value() ? facts.error->status
                                    : WorkerFault(meaning->error_code, meaning->message, meaning->cause)};
  }
  const bool cancelled = facts.end.signal == 0 && facts.end.exit_code == static_cast<int>(WorkerExit::kCancelled);
  if (cancelled) return Crash("the worker was told to stop, but not by this server");
  if (facts.error.has_value() && !facts.error->retryable) {
    return {ReasonOf(facts.error->status), Next::kFail, facts.error->status};
  }
  Outcome crash = Crash(DescribeEnd(facts.end));
  if (facts.error.has_value()) crash.error = facts.error->status;
  return crash;
}

}  // namespace

Outcome Judge(const AttemptFacts& facts) {
  if (facts.done) return {"DONE", Next::kSucceed, absl::OkStatus()};
  if (facts.not_started.has_value()) return {"WORKER_NOT_STARTED", Next::kFail, *facts.not_started};
  if (facts.refused.has_value()) return {"PUBLISH_REFUSED", Next::kFail, *facts.refused};
  if (facts.timed_out.has_value()) return TimedOut(*facts.timed_out);
  if (facts.stopped) return {"SERVER_STOPPED", Next::kRequeue, absl::OkStatus()};
  if (facts.cancel_asked) return {"CANCELLED", Next::kCancel, absl::OkStatus()};
  if (facts.suspend_asked) return {"SUSPENDED", Next::kRequeue, absl::OkStatus()};
  if (facts.preempted) return {"PREEMPTED", Next::kRequeue, absl::OkStatus()};
  if (facts.store_fault.has_value()) return {"STORE_FAILED", Next::kRetry, *facts.store_fault};
  if (!facts.protocol_fault.empty())
    return Crash(absl::StrCat("the worker broke the protocol: ", facts.protocol_fault));
  if (facts.verdict == Watchdog::Verdict::kSilent) return Crash("the worker sent nothing for too long and was stopped");
  if (facts.verdict == Watchdog::Verdict::kStuck) {
    return {"WORKER_STUCK", Next::kRetry,
            WorkerFault(absl::StatusCode::kDeadlineExceeded, "the worker made no progress for too long and was stopped",
                        "WORKER_STUCK")};
  }
  return JudgeExit(facts);
}

bool RanOutOfGpuMemory(const JobRecord& record) {
  return absl::c_any_of(record.job.attempts(), [&](const v1::Attempt& attempt) {
    return attempt.number() > record.retried_after && attempt.cause() == kOutOfGpuMemory;
  });
}

OnGpuOutOfMemory AfterGpuOutOfMemory(const v1::Plan& plan, const v1::Attempt& attempt) {
  const bool has_less = plan.least_gpu_bytes() > 0 && plan.least_gpu_bytes() < plan.peak_gpu_bytes();
  return has_less && !attempt.offloads() ? OnGpuOutOfMemory::kTryWithLess : OnGpuOutOfMemory::kFail;
}

StateChange NextState(const Outcome& outcome, v1::State state, int earlier_crashes, OnGpuOutOfMemory on_out_of_memory) {
  if (outcome.next == Next::kSucceed) return {.to = v1::STATE_SUCCEEDED};
  if (state == v1::STATE_CANCELLING) return {.to = v1::STATE_CANCELLED, .reason = "CANCEL_REQUESTED"};
  if (state == v1::STATE_SUSPENDING && outcome.next != Next::kFail) {
    return {.to = v1::STATE_SUSPENDED, .reason = "SUSPEND_REQUESTED"};
  }
  const bool crashed = outcome.next == Next::kRetry;
  const bool tries_with_less = outcome.next == Next::kFail && outcome.cause == kOutOfGpuMemory &&
                               on_out_of_memory == OnGpuOutOfMemory::kTryWithLess;
  const bool again = tries_with_less || outcome.next == Next::kRequeue || outcome.next == Next::kCancel ||
                     (crashed && earlier_crashes + 1 < kMaxCrashes);
  if (again) return {.to = v1::STATE_QUEUED, .reason = outcome.cause};
  absl::Status error = outcome.error;
  if (crashed) {
    // The reason stays; only the sentence says that this was not the first time.
    error = WithReason(
        absl::Status(error.code(), absl::StrCat(error.message(), "; given up after ", kMaxCrashes, " attempts")),
        ReasonOf(error));
  }
  return {.to = v1::STATE_FAILED, .reason = ReasonOf(error), .error = ToRpcStatus(error)};
}

bool IsCrash(absl::string_view cause) {
  return cause == "WORKER_CRASHED" || cause == "WORKER_STUCK" || cause == "DEVICE_FAULT" || cause == "STORE_FAILED";
}

}  // namespace pivot
