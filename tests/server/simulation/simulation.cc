// SPDX-License-Identifier: Apache-2.0
#include "tests/server/simulation/simulation.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tests/server/simulation/memory_ledger.h"
#include "tests/server/simulation/referee.h"
#include "tests/server/snapshot_builder.h"

namespace pivot {
namespace {

constexpr int64_t kPollUs = 60 * kSecond;
constexpr int kMaxSteps = 200'000;

/// A process, as the world sees it.
struct Worker {
  AttemptKey key;
  size_t job = 0;  // index
  bool is_alive = true;
  bool is_stopping = false;
};

class World {
 public:
  World(const Scenario& scenario, SimulatedClock& clock, Ledger& ledger)
      : scenario_(scenario),
        clock_(clock),
        ledger_(ledger),
        dice_(scenario.seed ^ 0x5eed),
        referee_(scenario),
        foreign_(scenario.room.devices.size(), 0),
        seen_free_(scenario.room.devices.size(), kNoLimit) {}

  Trace Run() {
    for (size_t i = 0; i < scenario_.jobs.size(); ++i) At(scenario_.jobs[i].arrival_us, [this, i] { Arrive(i); });
    for (const int64_t time_us : scenario_.restarts_us) At(time_us, [this] { Restart(); });
    for (const ForeignMemory& foreign : scenario_.foreign)
      At(foreign.time_us, [this, foreign] { foreign_[static_cast<size_t>(foreign.gpu)] = foreign.bytes; });
    const int64_t last_us = scenario_.foreign.empty() ? 0 : LastForeignUs() + kPollUs;
    At(last_us, [this] { std::fill(foreign_.begin(), foreign_.end(), 0); });
    while (!events_.empty() && trace_.num_steps < kMaxSteps) {
      const auto event = events_.begin();
      clock_.now_us = std::max(clock_.now_us, event->first);
      const std::function<void()> happen = std::move(event->second);
      events_.erase(event);
      happen();
      if (dice_.Chance(scenario_.steer_probability)) AskSomething();
      RunPasses();
    }
    Finish();
    return std::move(trace_);
  }

 private:
  void At(int64_t time_us, std::function<void()> happen) { events_.emplace(time_us, std::move(happen)); }
  void After(double seconds, std::function<void()> happen) {
    At(clock_.now_us + static_cast<int64_t>(seconds * kSecond), std::move(happen));
  }
  int64_t LastForeignUs() const {
    int64_t last_us = 0;
    for (const ForeignMemory& foreign : scenario_.foreign) last_us = std::max(last_us, foreign.time_us);
    return last_us;
  }

  /// Numbers of what happened, into the hash.
  void Note(int kind, size_t job, int64_t detail) {
    ++trace_.num_steps;
    for (const uint64_t number : {static_cast<uint64_t>(clock_.now_us), static_cast<uint64_t>(kind),
                                  static_cast<uint64_t>(job), static_cast<uint64_t>(detail)})
      trace_.hash = (trace_.hash ^ number) * 0x100000001b3ULL + (trace_.hash >> 29);
  }

  void Arrive(size_t script) {
    const std::string uid = ledger_.Create(scenario_.jobs[script].order);
    indices_[uid] = scripts_.size();
    uids_.push_back(uid);
    scripts_.push_back(script);
    left_seconds_.push_back(scenario_.jobs[script].true_seconds);
    Note(1, scripts_.size() - 1, 0);
  }

  Room RoomNow(const QueueSnapshot& snapshot) {
    Room room = scenario_.room;
    const Commitments taken(snapshot.running);
    for (size_t i = 0; i < room.devices.size(); ++i) {
      DeviceRoom& device = room.devices[i];
      if (!device.device.is_gpu()) continue;
      if (!taken.IsLeased(device.device.lease_key())) seen_free_[i] = device.device.memory_bytes - foreign_[i];
      device.free_bytes = seen_free_[i];
    }
    return room;
  }

  void RunPasses() {
    while (true) {
      QueueSnapshot snapshot = ledger_.Read();
      for (RunningJob& job : snapshot.running) job.is_stopping = job.is_stopping || IsStopping(job);
      const Room room = RoomNow(snapshot);
      const Decision decision = Decide(snapshot, room, scenario_.options);
      referee_.Decided(snapshot, room, decision);
      if (decision.preempt.has_value()) Preempt(*decision.preempt);
      if (!decision.start.has_value()) {
        if (!snapshot.queued.empty()) Poll();
        return;
      }
      if (!decision.waiting.empty()) ++trace_.num_backfills;
      Claim(*decision.start);
    }
  }

  bool IsStopping(const RunningJob& job) const {
    return std::any_of(workers_.begin(), workers_.end(), [&](const Worker& worker) {
      return worker.is_alive && worker.is_stopping && worker.key.job_uid == job.uid;
    });
  }

  /// Memory comes back, and minutes pass, without anybody telling.
  void Poll() {
    if (is_polling_) return;
    is_polling_ = true;
    At(clock_.now_us + kPollUs, [this] { is_polling_ = false; });
  }

  void Claim(const Grant& grant) {
    const auto key = ledger_.Claim(grant);
    if (!key.has_value()) return referee_.Blame("a claim was refused");
    referee_.Claimed(grant, clock_.now_us);
    const size_t job = indices_.at(grant.job.uid);
    Note(2, job, grant.device.is_gpu() ? grant.device.name.back() : 0);
    ++trace_.num_claims;
    const size_t worker = workers_.size();
    workers_.push_back({*key, job});
    const ScriptedJob& script = scenario_.jobs[scripts_[job]];
    const bool crashes = dice_.Chance(script.crash_probability);
    const bool fails = !crashes && dice_.Chance(script.failure_probability);
    const double seconds = left_seconds_[job] * (crashes || fails ? dice_.Fraction() : 1);
    Outcome outcome{"DONE", Outcome::Next::kSucceed, absl::OkStatus()};
    if (crashes) outcome = {"WORKER_CRASHED", Outcome::Next::kRetry, absl::InternalError("crash")};
    if (fails) outcome = {"INVALID_INPUT", Outcome::Next::kFail, absl::InvalidArgumentError("input")};
    After(seconds / 2, [this, worker] { Speak(worker); });
    After(seconds, [this, worker, outcome] { End(worker, outcome); });
  }

  void Speak(size_t worker) {
    const bool accepted = ledger_.Write(workers_[worker].key);
    if (!workers_[worker].is_alive && accepted) referee_.StaleWriteAccepted();
    if (!accepted) ++trace_.num_refused;
  }

  void End(size_t index, const Outcome& outcome) {
    Worker& worker = workers_[index];
    const bool accepted = ledger_.End(worker.key, outcome);
    if (!worker.is_alive) {
      // A process of before the restart, or one that a preemption has ended already, was not the last to speak.
      if (accepted) referee_.StaleWriteAccepted();
      ++trace_.num_refused;
      return;
    }
    if (!accepted) referee_.Blame("the end of an attempt was refused");
    worker.is_alive = false;
    referee_.Ended(worker.key.job_uid, clock_.now_us);
    Note(3, worker.job, static_cast<int64_t>(ledger_.StateOf(worker.key.job_uid)));
    Renew(worker.job);
  }

  /// Another job of the same script takes the place of one that has come to its end.
  void Renew(size_t job) {
    if (IsTerminal(ledger_.StateOf(uids_[job])) && clock_.now_us < scenario_.endless_until_us) Arrive(scripts_[job]);
  }

  void Preempt(const RunningJob& victim) {
    ++trace_.num_preemptions;
    Note(4, indices_.at(victim.uid), 0);
    StopSoon(victim.uid, {"PREEMPTED", Outcome::Next::kRequeue, absl::OkStatus()});
  }

  /// At the next block boundary.
  void StopSoon(const std::string& uid, const Outcome& outcome) {
    for (size_t i = 0; i < workers_.size(); ++i) {
      Worker& worker = workers_[i];
      if (!worker.is_alive || worker.is_stopping || worker.key.job_uid != uid) continue;
      worker.is_stopping = true;
      After(1 + 9 * dice_.Fraction(), [this, i, outcome] {
        if (!workers_[i].is_alive) return;
        left_seconds_[workers_[i].job] *= dice_.Fraction();
        End(i, outcome);
      });
    }
  }

  void AskSomething() {
    if (uids_.empty()) return;
    const auto job = static_cast<size_t>(dice_.Below(static_cast<int>(uids_.size())));
    constexpr Steer kSteers[] = {Steer::kSuspend, Steer::kResume, Steer::kRetry, Steer::kCancel};
    const Steer steer = kSteers[dice_.Below(4)];
    if (!ledger_.Ask(uids_[job], steer)) return;
    Note(5, job, static_cast<int64_t>(steer));
    const v1::State state = ledger_.StateOf(uids_[job]);
    if (state == v1::STATE_CANCELLING) StopSoon(uids_[job], {"CANCELLED", Outcome::Next::kCancel, absl::OkStatus()});
    if (state == v1::STATE_SUSPENDING) StopSoon(uids_[job], {"SUSPENDED", Outcome::Next::kRequeue, absl::OkStatus()});
  }

  void Restart() {
    Note(6, 0, 0);
    for (Worker& worker : workers_) {
      if (!worker.is_alive) continue;
      worker.is_alive = false;
      referee_.Ended(worker.key.job_uid, clock_.now_us);
    }
    ledger_.Restart();
  }

  void Finish() {
    if (trace_.num_steps >= kMaxSteps) referee_.Blame("it does not end");
    for (const std::string& uid : uids_) {
      const v1::State state = ledger_.StateOf(uid);
      if (!IsTerminal(state) && state != v1::STATE_SUSPENDED)
        referee_.Blame(absl::StrCat("job ", uid, " was lost: ", v1::State_Name(state)));
    }
    if (!ledger_.Read().running.empty()) referee_.Blame("a device was not given back");
    referee_.CheckFairness();
    trace_.faults = referee_.faults();
    trace_.fairness_error = referee_.fairness_error();
    trace_.worst_lane = referee_.worst_lane();
    trace_.worst_job = referee_.worst_job();
  }

  const Scenario& scenario_;
  SimulatedClock& clock_;
  Ledger& ledger_;
  Dice dice_;
  Referee referee_;
  Trace trace_;
  std::multimap<int64_t, std::function<void()>> events_;
  std::vector<Worker> workers_;
  std::vector<std::string> uids_;
  std::vector<size_t> scripts_;  // of each job
  std::vector<double> left_seconds_;
  std::map<std::string, size_t> indices_;
  std::vector<int64_t> foreign_;
  std::vector<int64_t> seen_free_;
  bool is_polling_ = false;
};

}  // namespace

Trace Simulate(const Scenario& scenario, SimulatedClock& clock, Ledger& ledger) {
  return World(scenario, clock, ledger).Run();
}

Trace Simulate(const Scenario& scenario) {
  SimulatedClock clock;
  MemoryLedger ledger(&clock);
  return Simulate(scenario, clock, ledger);
}

}  // namespace pivot
