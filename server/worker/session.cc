// SPDX-License-Identifier: Apache-2.0
#include "server/worker/session.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/log.h"
#include "server/worker/frames.h"

namespace pivot {
namespace {

constexpr int kFramesAtOnce = 64;
constexpr int kMaxBacklog = 65536;
constexpr int kKeptLogs = 16;  // of a job's newest attempts

}  // namespace

WorkerSession::WorkerSession(const Parts& parts, JobRecord record, Assignment assignment)
    : parts_(parts),
      record_(std::move(record)),
      assignment_(std::move(assignment)),
      watchdog_(parts.limits, Clock::now()),
      output_(parts.data->log(record_.job.uid(), assignment_.key.number)) {
  for (const v1::Attempt& attempt : record_.job.attempts())
    if (attempt.number() == assignment_.key.number) attempt_ = attempt;
  attempt_.set_offloads(RanOutOfGpuMemory(record_));
}

void WorkerSession::Launch(WorkerLauncher& launcher, Clock::time_point now) {
  if (const int old = key().number - kKeptLogs; old > 0) {
    RemoveAll(parts_.data->log(record_.job.uid(), old)).IgnoreError();  // at the latest with the job
  }
  auto worker = launcher.Launch(assignment_.device);
  if (!worker.ok()) {
    facts_.not_started = worker.status();
    process_ended_ = true;
    return;
  }
  watchdog_ = Watchdog(parts_.limits, now);
  if (record_.job.spec().has_run_timeout()) {
    watchdog_.MayRunUntil(now + absl::ToChronoNanoseconds(FromDuration(record_.job.spec().run_timeout())));
  }
  process_ = std::move(worker->process);
  socket_ = std::move(worker->socket);
  output_.Begin(std::move(worker->output));
  Log(Severity::kInfo, "worker_started",
      {{"job", record_.job.name()}, {"attempt", key().number}, {"pid", process_.pid}});
}

void WorkerSession::ReadFrames(Clock::time_point now) {
  // Bounded, so that one talkative worker does not keep the others waiting.
  for (int i = 0; i < kFramesAtOnce && socket_.has_value(); ++i) {
    auto frame = socket_->Receive(0);
    if (frame.ok() && !frame->has_value()) return;
    if (absl::IsUnavailable(frame.status())) {
      socket_.reset();
      watchdog_.EndExpected(now);
      return;
    }
    watchdog_.FrameCame(now);
    if (!frame.ok()) {
      facts_.protocol_fault = std::string(frame.status().message());
      Abandon();
      return;
    }
    const UniqueFd unwanted((*frame)->fd);
    HandleFrame(**frame, now);
  }
}

void WorkerSession::ReadOutput(Clock::time_point now) {
  if (output_.Read(now) == WorkerOutput::Came::kSomething) parts_.hub->Notify(LogTopic(record_.job.uid()));
}

void WorkerSession::HandleFrame(const Frame& frame, Clock::time_point now) {
  if (finished_) return;  // the heartbeat's thread may be a little late
  const absl::Status status = DispatchFrame(frame, now);
  if (status.ok()) return;
  facts_.protocol_fault = std::string(status.message());
  Abandon();
}

absl::Status WorkerSession::DispatchFrame(const Frame& frame, Clock::time_point now) {
  if (!greeted_ && frame.type != FrameType::kHello) return absl::DataLossError("its first frame was not Hello");
  switch (frame.type) {
    case FrameType::kHello:
      return HandleHello(frame);
    case FrameType::kHeartbeat:
      return HandleHeartbeat(frame, now);
    case FrameType::kProgress: {
      PIVOT_ASSIGN_OR_RETURN(v1::Progress progress, ReadProgress(frame));
      parts_.hub->SetProgress(record_.job.uid(), key().number, std::move(progress));
      return absl::OkStatus();
    }
    case FrameType::kPivotStaged:
      return HandlePivotStaged(frame);
    case FrameType::kDone:
      return HandleDone(frame, now);
    case FrameType::kError: {
      PIVOT_ASSIGN_OR_RETURN(facts_.error, ReadError(frame));
      finished_ = true;
      watchdog_.EndExpected(now);
      return absl::OkStatus();
    }
    default:
      break;
  }
  PIVOT_ASSIGN_OR_RETURN(std::optional<v1::JobEvent> event, ReadEvent(frame));
  if (!event.has_value()) return absl::OkStatus();  // of a newer worker
  watchdog_.WorkDone(now);
  if (event->block_done().resumed()) attempt_.set_resumed_blocks(attempt_.resumed_blocks() + 1);
  Append(*std::move(event));
  return absl::OkStatus();
}

absl::Status WorkerSession::HandleHello(const Frame& frame) {
  if (greeted_) return absl::DataLossError("it said Hello twice");
  PIVOT_ASSIGN_OR_RETURN(const HelloFrame hello, ReadHello(frame));
  greeted_ = true;
  if (absl::Status status = SendStart(); !status.ok()) {
    facts_.not_started = std::move(status);
    Abandon();
    return absl::OkStatus();
  }
  v1::JobEvent event;
  event.mutable_attempt_started()->set_device(assignment_.device.name);
  event.mutable_attempt_started()->set_device_name(hello.device_name);
  event.mutable_attempt_started()->set_threads(hello.threads);
  Append(std::move(event));
  return absl::OkStatus();
}

absl::Status WorkerSession::SendStart() {
  const std::string staging = parts_.data->staging(record_.staging_uid);
  std::error_code error;
  const bool resume = std::filesystem::exists(staging + "/journal.jsonl", error);
  PIVOT_RETURN_IF_ERROR(MakeFolders(staging));
  PIVOT_RETURN_IF_ERROR(SyncFolder(parts_.data->staging()));
  const UniqueFd folder(open(staging.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!folder.valid()) return StatusFromErrno(errno, "cannot open", staging);
  // No placement of activations is content with a byte: the one that needs least is taken.
  const int64_t gpu_budget = attempt_.offloads() ? 1 : assignment_.gpu_budget_bytes;
  const nlohmann::json payload = StartPayload(record_, {.attempt = key().number,
                                                        .on_gpu = assignment_.device.is_gpu(),
                                                        .gpu_budget_bytes = gpu_budget,
                                                        .resume = resume});
  const absl::Status sent = socket_->Send(FrameType::kStart, payload, folder.get());
  // A worker that is gone already shows in its exit; only what can never be sent is this job's fault.
  return absl::IsUnavailable(sent) ? absl::OkStatus() : sent;
}

absl::Status WorkerSession::HandleHeartbeat(const Frame& frame, Clock::time_point now) {
  PIVOT_ASSIGN_OR_RETURN(const HeartbeatFrame heartbeat, ReadHeartbeat(frame));
  if (heartbeat.phase > phase_) watchdog_.WorkDone(now);
  phase_ = std::max(phase_, heartbeat.phase);
  attempt_.set_peak_host_bytes(std::max(attempt_.peak_host_bytes(), heartbeat.peak_host_bytes));
  attempt_.set_peak_gpu_bytes(std::max(attempt_.peak_gpu_bytes(), heartbeat.peak_gpu_bytes));
  return absl::OkStatus();
}

absl::Status WorkerSession::HandlePivotStaged(const Frame& frame) {
  if (publishing_) return absl::DataLossError("it staged a pivot before the last one was published");
  PIVOT_ASSIGN_OR_RETURN(StagedPivot pivot, ReadPivotStaged(frame));
  publishing_ = true;
  staged_number_ = pivot.number;
  parts_.publish({.key = key(),
                  .job_name = record_.job.name(),
                  .staging_folder = parts_.data->staging(record_.staging_uid),
                  .pivot = std::move(pivot)});
  return absl::OkStatus();
}

absl::Status WorkerSession::HandleDone(const Frame& frame, Clock::time_point now) {
  PIVOT_ASSIGN_OR_RETURN(result_, ReadDone(frame));
  if (publishing_) return absl::DataLossError("it was done before its pivot was published");
  if (record_.job.spec().has_compress() && !published_)
    return absl::DataLossError("it was done without having staged a pivot");
  facts_.done = true;
  finished_ = true;
  watchdog_.EndExpected(now);
  return absl::OkStatus();
}

void WorkerSession::Append(v1::JobEvent event) {
  const absl::Status status = parts_.store->AppendEvent(key(), std::move(event));
  if (status.ok() || facts_.store_fault.has_value()) return;
  facts_.store_fault = status;
  Log(Severity::kError, "event_not_stored",
      {{"job", record_.job.name()}, {"attempt", key().number}, {"message", status}});
  Abandon();
}

void WorkerSession::Abandon() {
  socket_.reset();
  if (process_.pid > 0 && !process_ended_) SignalGroup(process_, SIGKILL);
}

void WorkerSession::ProcessEnded(Clock::time_point now) {
  facts_.end = Reap(process_);
  process_.pidfd.Close();
  process_ended_ = true;
  // What it sent before.
  for (int i = 0; i < kMaxBacklog / kFramesAtOnce; ++i) ReadFrames(now);
  socket_.reset();
  if (output_.Finish() == WorkerOutput::Came::kSomething) parts_.hub->Notify(LogTopic(record_.job.uid()));
  facts_.verdict = watchdog_.verdict();
}

void WorkerSession::Cancel(Clock::time_point now) {
  if (facts_.cancel_asked || finished_) return;
  facts_.cancel_asked = true;
  AskToEnd(now);
}

void WorkerSession::Suspend(Clock::time_point now) {
  if (facts_.suspend_asked || finished_) return;
  facts_.suspend_asked = true;
  AskToEnd(now);
}

void WorkerSession::Preempt(Clock::time_point now) {
  const bool is_ending = publishing_ || (published_ && !HasLaterStages(record_.job.spec()));
  if (finished_ || is_ending || facts_.preempted || facts_.timed_out.has_value()) return;
  facts_.preempted = true;
  Log(Severity::kInfo, "preempted", {{"job", record_.job.name()}, {"attempt", key().number}});
  AskToEnd(now);
}

void WorkerSession::AskToEnd(Clock::time_point now) {
  watchdog_.CancelSent(now);
  if (socket_.has_value()) socket_->Send(FrameType::kCancel, nlohmann::json::object()).IgnoreError();
}

void WorkerSession::Stop() {
  // What it said before counts.
  facts_.stopped = !finished_;
  watchdog_.Stop();
}

void WorkerSession::Published(const absl::StatusOr<v1::CheckpointRef>& result, Clock::time_point now) {
  publishing_ = false;
  watchdog_.WorkDone(now);
  if (result.ok()) {
    published_ = true;
    if (!socket_.has_value()) return;
    socket_->Send(FrameType::kPublished, {{"number", result->number()}, {"name", result->name()}}).IgnoreError();
    return;
  }
  if (IsStateMovedOn(result.status()) || facts_.stopped) return;
  facts_.refused = result.status();
  watchdog_.EndExpected(now);
  if (!socket_.has_value()) return;
  nlohmann::json payload = StatusToJson(result.status());
  payload["number"] = staged_number_;
  socket_->Send(FrameType::kRefused, payload).IgnoreError();
}

void WorkerSession::TimeOut(Clock::time_point now) {
  if (finished_ || facts_.cancel_asked || facts_.suspend_asked || facts_.preempted || facts_.stopped) return;
  facts_.timed_out = FromDuration(record_.job.spec().run_timeout());
  Log(Severity::kInfo, "run_timeout", {{"job", record_.job.name()}, {"attempt", key().number}});
  AskToEnd(now);
}

void WorkerSession::CheckClock(Clock::time_point now) {
  const Watchdog::Order order = watchdog_.Check(now);
  if (order == Watchdog::Order::kNone || process_ended_) return;
  if (order == Watchdog::Order::kAsk) {
    TimeOut(now);
    return;
  }
  const bool kill = order == Watchdog::Order::kKill;
  Log(Severity::kWarning, kill ? "worker_killed" : "worker_terminated",
      {{"job", record_.job.name()}, {"attempt", key().number}});
  SignalGroup(process_, kill ? SIGKILL : SIGTERM);
}

v1::Attempt WorkerSession::Report() const {
  v1::Attempt report = attempt_;
  report.set_cause(Judge(facts_).cause);
  report.set_exit_code(facts_.end.exit_code);
  report.set_exit_signal(facts_.end.signal);
  report.set_log_tail(output_.Tail());
  return report;
}

}  // namespace pivot
