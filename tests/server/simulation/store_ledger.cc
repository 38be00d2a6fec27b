// SPDX-License-Identifier: Apache-2.0
#include "tests/server/simulation/store_ledger.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {

StoreLedger::StoreLedger(const SimulatedClock* clock) : clock_(clock) { Open(); }

void StoreLedger::Open() {
  store_.reset();
  auto opened = Store::Open(folder_ / "pivot.db", {.now = [this] { return absl::FromUnixMicros(clock_->now_us); }});
  EXPECT_OK(opened);
  if (opened.ok()) store_ = *std::move(opened);
}

std::string StoreLedger::Create(const JobOrder& order) {
  NewJob job{.project = order.project, .max_queued = 100'000};
  job.spec.mutable_compress();
  job.spec.set_device(order.device);
  // 0 stands for the default in a spec.
  job.spec.set_priority(std::max(1, order.priority));
  if (std::isfinite(order.needs.most_seconds))
    job.spec.mutable_run_timeout()->set_seconds(std::llround(order.needs.most_seconds));
  v1::Plan plan;
  plan.set_peak_gpu_bytes(order.needs.gpu_bytes);
  plan.set_least_gpu_bytes(order.needs.least_gpu_bytes);
  plan.set_peak_host_bytes(order.needs.host_bytes);
  plan.set_disk_bytes(order.needs.disk_bytes);
  plan.set_est_seconds(order.needs.seconds);
  job.plan = plan;
  const auto uid = store_->CreateJob(std::move(job));
  EXPECT_OK(uid);
  return uid.value_or("");
}

QueueSnapshot StoreLedger::Read() {
  auto snapshot = store_->ReadSnapshot();
  EXPECT_OK(snapshot);
  return snapshot.ok() ? *std::move(snapshot) : QueueSnapshot{};
}

std::optional<AttemptKey> StoreLedger::Claim(const Grant& grant) {
  const auto key = store_->Claim(grant.job, grant.device.lease_key(), grant.device.name);
  return key.ok() ? std::optional(*key) : std::nullopt;
}

bool StoreLedger::Write(const AttemptKey& key) {
  v1::JobEvent event;
  event.mutable_stage_started()->set_stage("layerwise");
  return store_->AppendEvent(key, std::move(event)).ok();
}

bool StoreLedger::End(const AttemptKey& key, const Outcome& outcome) {
  const auto record = store_->ReadJob(key.job_uid);
  EXPECT_OK(record);
  if (!record.ok()) return false;
  const auto& attempts = record->job.attempts();
  const auto crashes = std::count_if(attempts.begin(), attempts.end(), [&](const v1::Attempt& attempt) {
    return attempt.number() > record->retried_after && IsCrash(attempt.cause());
  });
  v1::Attempt ended;
  ended.set_number(key.number);
  ended.set_cause(outcome.cause);
  const StateChange change = NextState(outcome, record->job.state(), static_cast<int>(crashes));
  return store_->EndAttempt(key, record->job.state(), ended, change).ok();
}

bool StoreLedger::Ask(const std::string& uid, Steer steer) { return store_->SteerJob(uid, steer).ok(); }

void StoreLedger::Restart() {
  Open();
  EXPECT_OK(store_->EndLostAttempts());
}

v1::State StoreLedger::StateOf(const std::string& uid) { return store_->ReadJobHead(uid).value_or(JobHead{}).state; }

}  // namespace pivot
