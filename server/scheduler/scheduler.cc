// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"

#include "proto/files/crash_point.h"
#include "server/errors.h"
#include "server/log.h"
#include "server/scheduler/estimates.h"

namespace pivot {
namespace {

constexpr std::chrono::seconds kRetryDelay(5);
// Between passes, as a multiple of what the last one took: a thousand new jobs a second beside a long queue must not
// keep a processor busy with looking at it.
constexpr int kRest = 9;

/// Whether time alone may change the decision: memory comes back, a job gets old enough to be preempted.
bool MayChangeByItself(const QueueSnapshot& snapshot, const Decision& decision) {
  const auto waits_for_room = [](const Waiting& waiting) { return waiting.hindrance != Hindrance::kDevice; };
  if (std::any_of(decision.waiting.begin(), decision.waiting.end(), waits_for_room)) return true;
  int most_urgent = -1;
  for (const QueuedJob& job : snapshot.queued) most_urgent = std::max(most_urgent, BandOf(job.priority));
  return std::any_of(snapshot.running.begin(), snapshot.running.end(), [&](const RunningJob& job) {
    return job.keeps_work && !job.is_stopping && BandOf(job.priority) < most_urgent;
  });
}

}  // namespace

void Scheduler::Kick() {
  {
    const std::lock_guard lock(mutex_);
    if (pending_ || stopped_) return;
    pending_ = true;
  }
  PostPass();
}

void Scheduler::PostPass() {
  const auto now = TimerQueue::Clock::now();
  TimerQueue::Clock::time_point rested_at;
  {
    const std::lock_guard lock(mutex_);
    rested_at = rested_at_;
  }
  const auto run = [this] { parts_.executor->Post([this] { RunPass(); }); };
  rested_at > now ? parts_.timers->At(rested_at, run) : run();
}

void Scheduler::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  const std::lock_guard pass(pass_mutex_);
}

void Scheduler::RunPass() {
  const std::lock_guard pass(pass_mutex_);
  const auto begin = TimerQueue::Clock::now();
  LookUntilNothingStarts();
  const auto end = TimerQueue::Clock::now();
  const std::lock_guard lock(mutex_);
  rested_at_ = end + kRest * (end - begin);
}

void Scheduler::LookUntilNothingStarts() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      // Cleared before looking: what comes later asks for another pass.
      pending_ = false;
      if (stopped_) return;
    }
    if (!AssignOne()) return;
  }
}

bool Scheduler::AssignOne() {
  auto snapshot = parts_.store->ReadSnapshot();
  if (!snapshot.ok()) {
    Log(Severity::kError, "queue_unreadable", {{"message", snapshot.status()}});
    TryLater();
    return false;
  }
  if (snapshot->queued.empty()) return false;
  Refine(*snapshot);
  const Decision decision = Decide(*snapshot, LookForRoom(*snapshot), parts_.policy);
  if (decision.start.has_value()) return Claim(*decision.start);
  if (decision.preempt.has_value()) Preempt(*decision.preempt);
  Explain(*snapshot, decision);
  if (MayChangeByItself(*snapshot, decision)) TryLater();
  return false;
}

Room Scheduler::LookForRoom(const QueueSnapshot& snapshot) {
  Room room = parts_.gauge->Measure(snapshot.running);
  for (DeviceRoom& one : room.devices) one.is_set_aside = parts_.health->Look(one.device.name).has_value();
  return room;
}

void Scheduler::Refine(QueueSnapshot& snapshot) {
  const Corrections corrections(snapshot.scores);
  const AutoMeans auto_means = MeaningOfAuto(parts_.gauge->devices());
  for (QueuedJob& job : snapshot.queued) {
    job.needs = corrections.Apply(job.needs, ClassOf(job, auto_means));
    const bool may_have_work = job.attempt > 0 || job.staging_uid != job.uid;
    if (may_have_work && job.needs.disk_bytes > 0)
      job.needs.disk_bytes = std::max<int64_t>(0, job.needs.disk_bytes - parts_.written_bytes(job.staging_uid));
  }
  std::set<std::pair<std::string, int>> still_ending;
  for (RunningJob& job : snapshot.running) {
    // What it has written is gone from the free disk already.
    job.needs.disk_bytes = std::max<int64_t>(0, job.needs.disk_bytes - parts_.written_bytes(job.staging_uid));
    if (!ending_.contains({job.uid, job.attempt})) continue;
    job.is_stopping = true;
    still_ending.emplace(job.uid, job.attempt);
  }
  ending_ = std::move(still_ending);
}

bool Scheduler::Claim(const Grant& grant) {
  QueuedJob job = grant.job;
  // The lease reserves the whole, as of a job that has written nothing yet.
  if (job.needs.disk_bytes > 0) job.needs.disk_bytes += parts_.written_bytes(job.staging_uid);
  const auto key = parts_.store->Claim(job, grant.device.lease_key(), grant.device.name);
  if (key.ok()) {
    PIVOT_CRASH_POINT("schedule.claimed");
    parts_.start({*key, grant.device, grant.gpu_budget_bytes});
    return true;
  }
  if (IsStateMovedOn(key.status())) return true;
  Log(Severity::kError, "claim_failed", {{"uid", job.uid}, {"message", key.status()}});
  TryLater();
  return false;
}

void Scheduler::Preempt(const RunningJob& victim) {
  ending_.emplace(victim.uid, victim.attempt);
  parts_.preempt(victim.uid, victim.attempt);
}

void Scheduler::Explain(const QueueSnapshot& snapshot, const Decision& decision) {
  absl::flat_hash_map<absl::string_view, absl::string_view> now;
  now.reserve(snapshot.queued.size());
  for (const QueuedJob& job : snapshot.queued) now[job.uid] = job.reason;
  std::vector<WaitReason> changes;
  for (const Waiting& waiting : decision.waiting) {
    const absl::string_view told = now[waiting.uid];
    const absl::string_view reason = ReasonFor(waiting.hindrance);
    // Why a job came back says more than that all devices are taken.
    const bool says_more = waiting.hindrance == Hindrance::kDevice && !absl::StartsWith(told, "WAITING_FOR_");
    if (told != reason && !says_more) changes.push_back({waiting.uid, std::string(reason)});
  }
  const absl::Status status = parts_.store->ExplainWaits(changes);
  if (!status.ok()) Log(Severity::kWarning, "waits_not_explained", {{"message", status}});
}

void Scheduler::TryLater() {
  {
    const std::lock_guard lock(mutex_);
    if (will_retry_ || stopped_) return;
    will_retry_ = true;
  }
  // A full disk, say: nothing else may happen that would lead to another look.
  parts_.timers->At(TimerQueue::Clock::now() + kRetryDelay, [this] {
    {
      const std::lock_guard lock(mutex_);
      will_retry_ = false;
    }
    Kick();
  });
}

}  // namespace pivot
