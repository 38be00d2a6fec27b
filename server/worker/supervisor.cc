// SPDX-License-Identifier: Apache-2.0
#include "server/worker/supervisor.h"

#include <algorithm>
#include <chrono>
#include <poll.h>
#include <sys/eventfd.h>
#include <utility>

#include "proto/files/crash_point.h"
#include "server/artifact/recovery.h"
#include "server/errors.h"
#include "server/log.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

constexpr std::chrono::seconds kStoreRetryDelay(1);
constexpr std::chrono::seconds kStopReserve(2);

int Milliseconds(WorkerSession::Clock::time_point until, WorkerSession::Clock::time_point now) {
  if (until == WorkerSession::Clock::time_point::max()) return -1;
  if (until <= now) return 0;
  // Rounded up: woken a little early, the loop would only turn once more.
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - now).count());
}

int CountCrashes(const JobRecord& record) {
  const auto& attempts = record.job.attempts();
  return static_cast<int>(std::count_if(attempts.begin(), attempts.end(), [&](const v1::Attempt& attempt) {
    return attempt.number() > record.retried_after && IsCrash(attempt.cause());
  }));
}

}  // namespace

Supervisor::Supervisor(Parts parts)
    : parts_(std::move(parts)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { Run(); }) {}

Supervisor::~Supervisor() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  Post([] {});
  thread_.join();
}

void Supervisor::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    idle_ = false;
  }
  eventfd_write(wake_.get(), 1);
}

void Supervisor::Start(const Assignment& assignment) {
  Post([this, assignment] { StartSession(assignment); });
}

void Supervisor::Heed(const std::string& job_uid) {
  Post([this, job_uid] { HeedNow(job_uid); });
}

void Supervisor::Preempt(const std::string& job_uid, int attempt) {
  Post([this, job_uid, attempt] {
    const auto found = sessions_.find(job_uid);
    if (found != sessions_.end() && found->second->key().number == attempt) found->second->Preempt(Clock::now());
  });
}

void Supervisor::HeedNow(const std::string& job_uid) {
  const auto found = sessions_.find(job_uid);
  if (found == sessions_.end()) return;
  WorkerSession& session = *found->second;
  // The record as it is now: what was asked may have been meant for an attempt that has ended since.
  const auto head = parts_.store->ReadJobHead(job_uid);
  if (!head.ok()) {
    Log(Severity::kError, "job_unreadable", {{"uid", job_uid}, {"message", head.status()}});
    return;
  }
  if (head->attempt != session.key().number) return;
  PIVOT_CRASH_POINT("supervise.heeded");
  if (head->state == v1::STATE_CANCELLING) session.Cancel(Clock::now());
  if (head->state == v1::STATE_SUSPENDING) session.Suspend(Clock::now());
}

void Supervisor::StopWorkers() {
  Post([this] {
    stopping_ = true;
    for (auto& [uid, session] : sessions_) session->Stop();
  });
  std::unique_lock lock(mutex_);
  idle_changed_.wait_for(lock, parts_.limits.terminate_grace + kStopReserve, [this] { return idle_; });
}

void Supervisor::Run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      idle_ = tasks_.empty() && sessions_.empty();
      if (quit_ && tasks_.empty()) return;
    }
    idle_changed_.notify_all();
    Wait();
    RunTasks();
    const auto now = Clock::now();
    for (auto& [uid, session] : sessions_) session->CheckClock(now);
    EndSessions();
  }
}

void Supervisor::Wait() {
  const auto now = Clock::now();
  auto next = retry_at_ > now ? retry_at_ : Clock::time_point::max();
  std::vector<pollfd> waits = {{wake_.get(), POLLIN, 0}};
  std::vector<WorkerSession*> order;
  for (auto& [uid, session] : sessions_) {
    next = std::min(next, session->next_check(now));
    order.push_back(session.get());
    waits.push_back({session->socket_fd(), POLLIN, 0});
    waits.push_back({session->output_fd(now), POLLIN, 0});
    waits.push_back({session->process_fd(), POLLIN, 0});
  }
  poll(waits.data(), waits.size(), Milliseconds(next, now));
  eventfd_t count = 0;
  eventfd_read(wake_.get(), &count);
  for (size_t i = 0; i < order.size(); ++i) {
    if (waits[1 + 3 * i].revents != 0) order[i]->ReadFrames(Clock::now());
    if (waits[2 + 3 * i].revents != 0) order[i]->ReadOutput(Clock::now());
    if (waits[3 + 3 * i].revents != 0) order[i]->ProcessEnded(Clock::now());
  }
}

void Supervisor::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

void Supervisor::StartSession(const Assignment& assignment) {
  auto record = parts_.store->ReadJob(assignment.key.job_uid);
  if (!record.ok()) {
    // The lease stays until the next start of the server: better than two workers in one folder.
    Log(Severity::kError, "job_unreadable", {{"uid", assignment.key.job_uid}, {"message", record.status()}});
    return;
  }
  const bool cancelling = record->job.state() == v1::STATE_CANCELLING;
  const bool suspending = record->job.state() == v1::STATE_SUSPENDING;
  const WorkerSession::Parts parts{.store = parts_.store,
                                   .hub = parts_.hub,
                                   .data = parts_.data,
                                   .limits = parts_.limits,
                                   .publish = [this](PublishRequest request) { Publish(std::move(request)); }};
  auto session = std::make_unique<WorkerSession>(parts, *std::move(record), assignment);
  if (cancelling) session->Cancel(Clock::now());
  if (suspending) session->Suspend(Clock::now());
  if (stopping_) session->Stop();
  if (cancelling || suspending || stopping_) {
    session->Skip();
  } else {
    PIVOT_CRASH_POINT("supervise.before_launch");
    session->Launch(*parts_.launcher, Clock::now());
    PIVOT_CRASH_POINT("supervise.launched");
  }
  sessions_[assignment.key.job_uid] = std::move(session);
}

void Supervisor::Publish(PublishRequest request) {
  parts_.publishing->Post([this, request = std::move(request)] {
    const auto begin = Clock::now();
    PIVOT_CRASH_POINT("supervise.pivot_staged");
    auto result = parts_.publisher->Publish(request);
    PIVOT_CRASH_POINT("supervise.pivot_published");
    parts_.published(absl::FromChrono(Clock::now() - begin));
    // The session waits for this before it ends, so it is still there.
    Post([this, uid = request.key.job_uid, result = std::move(result)] {
      if (const auto found = sessions_.find(uid); found != sessions_.end())
        found->second->Published(result, Clock::now());
    });
  });
}

void Supervisor::EndSessions() {
  if (retry_at_ > Clock::now()) return;
  for (auto next = sessions_.begin(); next != sessions_.end();) {
    const auto current = next++;
    if (!current->second->ended()) continue;
    if (RecordEnd(*current->second)) {
      sessions_.erase(current);
    } else {
      retry_at_ = Clock::now() + kStoreRetryDelay;
    }
  }
}

bool Supervisor::RecordEnd(const WorkerSession& session) {
  const AttemptKey& key = session.key();
  const Outcome outcome = session.outcome();
  PIVOT_CRASH_POINT("supervise.session_ended");
  parts_.hub->ClearProgress(key.job_uid);
  while (true) {
    const auto head = parts_.store->ReadJobHead(key.job_uid);
    // Its end was stored after all, and the job deleted since.
    if (absl::IsNotFound(head.status())) return true;
    if (!head.ok()) return false;
    if (head->attempt != key.number || IsTerminal(head->state)) return true;
    StateChange change = NextState(outcome, head->state, CountCrashes(session.record()),
                                   AfterGpuOutOfMemory(session.record().job.plan(), session.attempt()));
    if (change.to == v1::STATE_SUCCEEDED) change.result = session.result();
    const absl::Status status = parts_.store->EndAttempt(key, head->state, session.Report(), change);
    if (status.ok()) {
      PIVOT_CRASH_POINT("supervise.end_recorded");
      if (change.to == v1::STATE_QUEUED) parts_.restarted(outcome.cause);
      TidyAfter(session, change.to);
      return true;
    }
    // A cancel or suspend came between the look and the write: look again.
    if (IsStateMovedOn(status) && parts_.store->ReadJobHead(key.job_uid).value_or(JobHead{}).state != head->state)
      continue;
    Log(Severity::kError, "end_not_stored",
        {{"job", session.record().job.name()}, {"attempt", key.number}, {"message", status}});
    return IsStateMovedOn(status);
  }
}

void Supervisor::TidyAfter(const WorkerSession& session, v1::State state) {
  if (!IsTerminal(state)) return;
  TidyLater(session.record().staging_uid, parts_.store, parts_.data, parts_.publishing);
}

}  // namespace pivot
