// SPDX-License-Identifier: Apache-2.0
#include "tests/server/simulation/referee.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"

#include "tests/server/snapshot_builder.h"

namespace pivot {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kFairnessTolerance = 0.05;

double Seconds(int64_t us) { return static_cast<double>(us) / kSecond; }

/// A job's wait before it counts as overdue.
double BoundOf(const QueuedJob& job, const Scenario& scenario) {
  return (kNumBands - BandOf(job.priority)) *
         scenario.promised_aging_seconds.value_or(scenario.options.fair_share.aging_seconds);
}

struct Occupant {
  RunningJob job;
  double seconds_left = 0;
};

/// By the estimates: what has none, or has outlived it, may end at once.
std::vector<Occupant> OccupantsOf(const QueueSnapshot& snapshot) {
  std::vector<Occupant> occupants;
  for (const RunningJob& job : snapshot.running) {
    const double left = job.is_stopping ? 0 : job.needs.seconds - Seconds(snapshot.now_us - job.start_us);
    occupants.push_back({job, std::max(0.0, left)});
  }
  return occupants;
}

/// Seconds from now on; infinite when it would not fit beside nothing either.
double EarliestStart(const QueuedJob& job, const std::vector<Occupant>& occupants, const Room& room) {
  std::set<double> times = {0};
  for (const Occupant& occupant : occupants) times.insert(occupant.seconds_left);
  for (const double time : times) {
    std::vector<RunningJob> there;
    for (const Occupant& occupant : occupants) {
      if (occupant.seconds_left > time) there.push_back(occupant.job);
    }
    const Commitments taken(there);
    for (const DeviceRoom& device : room.devices) {
      if (Answers(device.device, job.device, MeaningOfAuto(room.devices)) &&
          HindranceOn(job.needs, device, room, taken) == Hindrance::kNone)
        return time;
    }
  }
  return kInfinity;
}

RunningJob AsRunning(const Grant& grant) {
  return {.uid = grant.job.uid, .device = grant.device.lease_key(), .needs = grant.job.needs};
}

}  // namespace

void Referee::Blame(const std::string& fault) { faults_.push_back(absl::StrCat("seed ", scenario_.seed, ": ", fault)); }

int64_t Referee::ClaimOf(const QueuedJob& job) const {
  const auto found = claims_us_.find({job.project, job.device});
  return found == claims_us_.end() ? 0 : found->second;
}

void Referee::Decided(const QueueSnapshot& snapshot, const Room& room, const Decision& decision) {
  CheckWaits(snapshot);
  if (decision.start.has_value()) {
    CheckRoom(room, *decision.start);
    CheckOrder(snapshot, room, decision);
    CheckBackfill(snapshot, room, *decision.start);
  } else if (decision.waiting.size() != snapshot.queued.size()) {
    Blame("a job was left out");
  }
  if (decision.preempt.has_value()) CheckVictim(snapshot, *decision.preempt);
}

void Referee::CheckRoom(const Room& room, const Grant& grant) {
  const JobNeeds& needs = grant.job.needs;
  int64_t host_bytes = needs.host_bytes;
  int64_t disk_bytes = needs.disk_bytes;
  for (const auto& [key, owner] : owners_) {
    host_bytes += owner.needs.host_bytes;
    disk_bytes += owner.needs.disk_bytes;
  }
  if (host_bytes > room.host_bytes && !owners_.empty() && needs.host_bytes > 0) Blame("host memory was given twice");
  if (disk_bytes > room.disk_bytes && needs.disk_bytes > 0) Blame("disk was given twice");
  for (const DeviceRoom& device : room.devices) {
    if (device.device.name != grant.device.name || !device.device.is_gpu()) continue;
    const int64_t wanted = std::min(needs.lowest_gpu_bytes(), device.device.memory_bytes / 20 * 19);
    if (needs.lowest_gpu_bytes() > 0 && wanted > device.free_bytes) Blame("a GPU has too little memory for its job");
  }
}

/// The two rules of fair_share.h, as a look at who was passed over though nothing stood in the way, not even a job
/// whose turn was before.
void Referee::CheckOrder(const QueueSnapshot& snapshot, const Room& room, const Decision& decision) {
  const Grant& grant = *decision.start;
  const Commitments taken(snapshot.running);
  const auto device = std::find_if(room.devices.begin(), room.devices.end(),
                                   [&](const DeviceRoom& one) { return one.device.name == grant.device.name; });
  for (const QueuedJob& job : snapshot.queued) {
    if (job.uid == grant.job.uid || !Answers(grant.device, job.device, MeaningOfAuto(room.devices)) ||
        HindranceOn(job.needs, *device, room, taken) != Hindrance::kNone ||
        HindranceOf(decision, job.uid) == Hindrance::kTurn)
      continue;
    const bool is_mate = job.project == grant.job.project && job.device == grant.job.device;
    const double waited = Seconds(snapshot.now_us - job.queue_us);
    if (is_mate && waited >= BoundOf(job, scenario_) && job.queue_us < grant.job.queue_us)
      Blame(absl::StrCat(grant.job.uid, " went before the late job ", job.uid));
    const int64_t since_us = std::max(job.queue_us, ClaimOf(job));
    const double unserved = Seconds(snapshot.now_us - since_us);
    if (!is_mate && unserved >= BoundOf(job, scenario_) && since_us < std::max(grant.job.queue_us, ClaimOf(grant.job)))
      Blame(absl::StrCat(grant.job.uid, " went before ", job.uid, " of an overdue lane"));
  }
}

/// The first job that cannot start can start no later for what does.
void Referee::CheckBackfill(const QueueSnapshot& snapshot, const Room& room, const Grant& grant) {
  std::vector<Occupant> occupants = OccupantsOf(snapshot);
  for (const Turn& turn : OrderQueue(snapshot, MeaningOfAuto(room.devices), scenario_.options.fair_share)) {
    if (turn.job->uid == grant.job.uid) return;
    const double before = EarliestStart(*turn.job, occupants, room);
    if (before == kInfinity) continue;
    occupants.push_back({AsRunning(grant), grant.job.needs.most_seconds});
    if (EarliestStart(*turn.job, occupants, room) > before)
      Blame(absl::StrCat(grant.job.uid, " delays ", turn.job->uid, ", whose turn it is"));
    return;
  }
}

void Referee::CheckVictim(const QueueSnapshot& snapshot, const RunningJob& victim) {
  const bool is_outranked = std::any_of(snapshot.queued.begin(), snapshot.queued.end(), [&](const QueuedJob& job) {
    return BandOf(job.priority) > BandOf(victim.priority);
  });
  if (!is_outranked) Blame("a job was preempted for none of a higher band");
  if (victim.is_stopping) Blame("a job was preempted twice at once");
  if (victim.preemptions >= scenario_.promised_preemptions.value_or(scenario_.options.max_preemptions))
    Blame("a job was preempted too often");
  if (Seconds(snapshot.now_us - victim.start_us) < scenario_.options.min_run_seconds)
    Blame("a job was preempted too early");
}

/// The bounds in seconds, where nothing but jobs stands in a job's way. A lane is served once its bound is over and the
/// other overdue lanes had their one job each: for each of them a device, and then memory, has to become free.
void Referee::CheckWaits(const QueueSnapshot& snapshot) {
  if (scenario_.kind != Scenario::Kind::kStarvation) return;
  std::set<Lane> lanes;
  for (const ScriptedJob& job : scenario_.jobs) lanes.insert({job.order.project, job.order.device});
  const double turns_seconds = (2.0 * static_cast<double>(lanes.size()) + 2) * scenario_.longest_seconds;
  for (const QueuedJob& job : snapshot.queued) {
    if (!num_ahead_.contains(job.uid)) {
      num_ahead_[job.uid] =
          static_cast<int>(std::count_if(snapshot.queued.begin(), snapshot.queued.end(), [&](const QueuedJob& other) {
            return other.project == job.project && other.device == job.device && other.queue_us < job.queue_us;
          }));
    }
    const double lane_bound = BoundOf(job, scenario_) + turns_seconds;
    const double lane_wait = Seconds(snapshot.now_us - std::max(job.queue_us, ClaimOf(job)));
    const double job_bound = BoundOf(job, scenario_) + (num_ahead_[job.uid] + 1) * lane_bound;
    const double job_wait = Seconds(snapshot.now_us - job.queue_us);
    worst_lane_ = std::max(worst_lane_, lane_wait / lane_bound);
    worst_job_ = std::max(worst_job_, job_wait / job_bound);
  }
}

void Referee::Claimed(const Grant& grant, int64_t now_us) {
  Owner& owner = owners_[grant.device.lease_key()];
  if (!owner.uid.empty()) Blame(absl::StrCat(grant.device.name, " has two owners"));
  for (const auto& [key, other] : owners_) {
    if (other.uid == grant.job.uid) Blame(absl::StrCat(other.uid, " runs twice"));
  }
  owner = {grant.job.uid, grant.job.project, now_us, grant.job.needs};
  claims_us_[{grant.job.project, grant.job.device}] = now_us;
  num_ahead_.erase(grant.job.uid);
}

void Referee::Ended(const std::string& uid, int64_t now_us) {
  for (auto owner = owners_.begin(); owner != owners_.end(); ++owner) {
    if (owner->second.uid != uid) continue;
    const int64_t counted_until_us = std::min(now_us, scenario_.endless_until_us);
    device_seconds_[owner->second.project] += Seconds(std::max<int64_t>(0, counted_until_us - owner->second.start_us));
    owners_.erase(owner);
    return;
  }
}

void Referee::CheckFairness() {
  if (worst_lane_ > 1) Blame(absl::StrCat("a lane waited for ", worst_lane_, " of its bound"));
  if (worst_job_ > 1) Blame(absl::StrCat("a job waited for ", worst_job_, " of its bound"));
  if (scenario_.kind != Scenario::Kind::kFairness) return;
  double total = 0;
  for (const auto& [project, seconds] : device_seconds_) total += seconds;
  const double fair = total / scenario_.num_projects;
  for (const auto& [project, seconds] : device_seconds_) {
    fairness_error_ = std::max(fairness_error_, std::abs(seconds - fair) / fair);
  }
  if (static_cast<int>(device_seconds_.size()) != scenario_.num_projects) fairness_error_ = 1;
  if (fairness_error_ > kFairnessTolerance) Blame(absl::StrCat("the shares differ by ", fairness_error_));
}

}  // namespace pivot
