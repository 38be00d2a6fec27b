// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/scheduler.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"

#include "server/errors.h"
#include "server/log.h"

namespace pivot {
namespace {

constexpr std::chrono::seconds kRetryDelay(5);

}  // namespace

Scheduler::Scheduler(Store* store, Executor* executor, TimerQueue* timers, std::vector<Device> devices,
                     std::function<void(const Assignment&)> start)
    : store_(store), executor_(executor), timers_(timers), devices_(std::move(devices)), start_(std::move(start)) {}

void Scheduler::Kick() {
  {
    const std::lock_guard lock(mutex_);
    if (pending_ || stopped_) return;
    pending_ = true;
  }
  executor_->Post([this] { RunPass(); });
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
  const auto leases = store_->ReadLeases();
  const auto queue = store_->ReadQueue();
  if (!leases.ok() || !queue.ok()) {
    Log(Severity::kError, "queue_unreadable", {{"message", leases.ok() ? queue.status() : leases.status()}});
    TryLater();
    return false;
  }
  absl::flat_hash_set<std::string> leased;
  for (const LeasedDevice& lease : *leases) leased.insert(lease.device);
  const std::optional<Choice> choice = ChooseNext(*queue, devices_, leased);
  if (!choice.has_value()) return false;
  const auto key = store_->Claim(choice->job, choice->device.lease_key(), choice->device.name);
  if (key.ok()) {
    start_({*key, choice->device});
    return true;
  }
  if (IsStateMovedOn(key.status())) return true;
  Log(Severity::kError, "claim_failed", {{"uid", choice->job.uid}, {"message", key.status()}});
  TryLater();
  return false;
}

void Scheduler::TryLater() {
  // A full disk, say: nothing else may happen that would lead to another look.
  timers_->At(TimerQueue::Clock::now() + kRetryDelay, [this] { Kick(); });
}

}  // namespace pivot
