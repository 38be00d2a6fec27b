// SPDX-License-Identifier: Apache-2.0
#include "tests/server/simulation/memory_ledger.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "absl/strings/str_format.h"

namespace pivot {
namespace {

constexpr double kMicrosecondsOfASecond = 1e6;

}  // namespace

int64_t MemoryLedger::NextTime() {
  last_us_ = std::max(clock_->now_us, last_us_ + 1);
  return last_us_;
}

std::string MemoryLedger::Create(const JobOrder& order) {
  const int64_t now_us = NextTime();
  std::string uid = absl::StrFormat("%05d", jobs_.size());
  jobs_[uid] = {.order = order, .create_us = now_us, .queue_us = now_us, .update_us = now_us};
  return uid;
}

QueueSnapshot MemoryLedger::Read() {
  QueueSnapshot snapshot{.now_us = clock_->now_us};
  for (const auto& [uid, job] : jobs_) {
    if (job.state == v1::STATE_QUEUED) snapshot.now_us = std::max(snapshot.now_us, job.queue_us);
    if (!job.lease_key.empty()) snapshot.now_us = std::max(snapshot.now_us, job.start_us);
    if (job.state == v1::STATE_QUEUED) {
      snapshot.queued.push_back({.uid = uid,
                                 .project = job.order.project,
                                 .attempt = job.attempt,
                                 .priority = job.order.priority,
                                 .device = job.order.device,
                                 .create_us = job.create_us,
                                 .queue_us = job.queue_us,
                                 .needs = job.order.needs});
    } else if (!job.lease_key.empty()) {
      snapshot.running.push_back({.uid = uid,
                                  .project = job.order.project,
                                  .attempt = job.attempt,
                                  .priority = job.order.priority,
                                  .device = job.lease_key,
                                  .device_class = job.device_class,
                                  .start_us = job.start_us,
                                  .needs = job.reserved,
                                  .preemptions = job.preemptions,
                                  .keeps_work = true,
                                  .is_stopping = job.state != v1::STATE_RUNNING});
    }
  }
  for (const auto& [account, usage] : usage_) snapshot.usage.push_back(usage);
  for (const auto& [lane, claim_us] : claims_us_) snapshot.claims.push_back({lane.first, lane.second, claim_us});
  return snapshot;
}

void MemoryLedger::Move(Job& job, v1::State to, int64_t now_us) {
  assert(MayFollow(job.state, to));
  job.state = to;
  job.update_us = now_us;
  if (to == v1::STATE_QUEUED) job.queue_us = now_us;
}

std::optional<AttemptKey> MemoryLedger::Claim(const Grant& grant) {
  Job& job = jobs_.at(grant.job.uid);
  if (job.state != v1::STATE_QUEUED || job.attempt != grant.job.attempt) return std::nullopt;
  Lease& lease = leases_[grant.device.lease_key()];
  if (!lease.uid.empty()) return std::nullopt;
  const int64_t now_us = NextTime();
  Move(job, v1::STATE_RUNNING, now_us);
  ++job.attempt;
  job.start_us = now_us;
  job.reserved = grant.job.needs;
  job.lease_key = grant.device.lease_key();
  job.device_class = grant.device.is_gpu() ? DeviceClass::kGpu : DeviceClass::kCpu;
  lease = {lease.token + 1, grant.job.uid, job.attempt};
  claims_us_[{job.order.project, job.order.device}] = now_us;
  return AttemptKey{grant.job.uid, job.attempt, lease.token};
}

bool MemoryLedger::Holds(const AttemptKey& key) const {
  const Job& job = jobs_.at(key.job_uid);
  if (fencing_ == Fencing::kNone) return !job.lease_key.empty();
  if (job.attempt != key.number || job.lease_key.empty()) return false;
  const Lease& lease = leases_.at(job.lease_key);
  return lease.uid == key.job_uid && lease.attempt == key.number && lease.token == key.token;
}

bool MemoryLedger::Write(const AttemptKey& key) {
  if (!Holds(key)) return false;
  jobs_.at(key.job_uid).update_us = NextTime();
  return true;
}

void MemoryLedger::GiveBack(const AttemptKey& /*key*/, Job& job, int64_t end_us) {
  leases_.at(job.lease_key).uid.clear();
  const std::pair account(job.order.project, job.device_class);
  ProjectUsage& usage = usage_.try_emplace(account, ProjectUsage{account.first, account.second}).first->second;
  AddRun(job.start_us, end_us, {}, usage);
  // The store keeps whole microseconds.
  usage.device_seconds = std::round(usage.device_seconds * kMicrosecondsOfASecond) / kMicrosecondsOfASecond;
  job.lease_key.clear();
}

bool MemoryLedger::End(const AttemptKey& key, const Outcome& outcome) {
  if (!Holds(key)) return false;
  Job& job = jobs_.at(key.job_uid);
  const v1::State next = NextState(outcome, job.state, job.crashes).to;
  if (IsCrash(outcome.cause)) ++job.crashes;
  if (outcome.cause == "PREEMPTED") ++job.preemptions;
  const int64_t now_us = NextTime();
  GiveBack(key, job, now_us);
  Move(job, next, now_us);
  return true;
}

bool MemoryLedger::Ask(const std::string& uid, Steer steer) {
  Job& job = jobs_.at(uid);
  const auto next = StateAfter(steer, job.state, uid);
  if (!next.ok()) return false;
  const int64_t now_us = NextTime();
  if (*next == job.state) return true;
  if (steer == Steer::kRetry) job.crashes = 0;
  Move(job, *next, now_us);
  return true;
}

void MemoryLedger::Restart() {
  const int64_t now_us = NextTime();
  for (auto& [uid, job] : jobs_) {
    if (job.lease_key.empty()) continue;
    // Nobody knows how long it ran after the last word of it.
    GiveBack({}, job, job.update_us);
    v1::State next = v1::STATE_QUEUED;
    if (job.state == v1::STATE_CANCELLING) next = v1::STATE_CANCELLED;
    if (job.state == v1::STATE_SUSPENDING) next = v1::STATE_SUSPENDED;
    Move(job, next, now_us);
  }
}

}  // namespace pivot
