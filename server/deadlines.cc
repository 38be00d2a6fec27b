// SPDX-License-Identifier: Apache-2.0
#include "server/deadlines.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/artifact/recovery.h"
#include "server/log.h"

namespace pivot {
namespace {

// Timers run by a clock that nobody sets, deadlines by one that somebody may.
constexpr absl::Duration kLongestWait = absl::Minutes(1);
constexpr absl::Duration kRetryDelay = absl::Seconds(5);
// Then others have their turn in the executor.
constexpr int kJobsAtOnce = 32;

}  // namespace

void Deadlines::Kick() {
  {
    const std::lock_guard lock(mutex_);
    if (pending_ || stopped_) return;
    pending_ = true;
  }
  parts_.control->Post([this] { RunPass(); });
}

void Deadlines::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  const std::lock_guard pass(pass_mutex_);
}

void Deadlines::RunPass() {
  const std::lock_guard pass(pass_mutex_);
  {
    const std::lock_guard lock(mutex_);
    // Cleared before looking: what comes later asks for another pass.
    pending_ = false;
    if (stopped_) return;
  }
  for (int i = 0; i < kJobsAtOnce; ++i) {
    const Found found = MeetOne();
    if (found == Found::kFault) LookAgainIn(kRetryDelay);
    if (found != Found::kOne) return;
  }
  Kick();
}

Deadlines::Found Deadlines::MeetOne() {
  const auto next = parts_.store->ReadNextDeadline();
  if (!next.ok()) {
    Log(Severity::kError, "deadlines_unreadable", {{"message", next.status()}});
    return Found::kFault;
  }
  if (const absl::Duration left = *next - parts_.now(); left > absl::ZeroDuration()) {
    if (*next != absl::InfiniteFuture()) LookAgainIn(std::min(left, kLongestWait));
    return Found::kNothing;
  }
  const auto overdue = parts_.store->FailOverdueJob();
  const auto expired = parts_.store->DeleteExpiredJob();
  if (overdue.ok() && overdue->has_value()) {
    TidyLater((*overdue)->staging_uid, parts_.store, parts_.data, parts_.publishing);
  }
  if (expired.ok() && expired->has_value()) {
    Log(Severity::kInfo, "job_expired", {{"job", (*expired)->name}, {"uid", (*expired)->uid}});
    RemoveFilesLater(**expired, parts_.store, parts_.data, parts_.publishing);
  }
  if (overdue.ok() && expired.ok()) return Found::kOne;
  Log(Severity::kError, "deadline_not_met", {{"message", overdue.ok() ? expired.status() : overdue.status()}});
  return Found::kFault;
}

void Deadlines::LookAgainIn(absl::Duration delay) {
  const auto now = TimerQueue::Clock::now();
  const auto time = now + absl::ToChronoNanoseconds(delay);
  // One that comes too early looks, and sets the next.
  if (wake_at_ > now && wake_at_ <= time) return;
  wake_at_ = time;
  parts_.timers->At(time, [this] { Kick(); });
}

}  // namespace pivot
