// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/policy.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"

namespace pivot {
namespace {

constexpr double kMicrosecondsOfASecond = 1e6;

double SecondsSince(int64_t from_us, int64_t now_us) {
  return static_cast<double>(now_us - from_us) / kMicrosecondsOfASecond;
}

/// By its estimate, from now on. A job that has none or has outlived it may end at any moment.
double SecondsLeft(const RunningJob& job, int64_t now_us) {
  if (job.is_stopping) return 0;
  return std::max(0.0, job.needs.seconds - SecondsSince(job.start_us, now_us));
}

/// Where and when the job whose turn it is could start, and what is over then.
struct Reservation {
  double seconds = 0;  // from now on
  std::string device;  // lease key
  int64_t spare_host_bytes = 0;
  int64_t spare_disk_bytes = 0;
};

class Pass {
 public:
  Pass(const QueueSnapshot& snapshot, const Room& room, const PolicyOptions& options)
      : snapshot_(snapshot),
        room_(room),
        options_(options),
        auto_means_(MeaningOfAuto(room.devices)),
        taken_(snapshot.running) {}

  Decision Run() {
    const std::vector<Turn> turns = OrderQueue(snapshot_, auto_means_, options_.fair_share);
    Decision decision;
    for (const Turn& turn : turns) {
      const Hindrance hindrance = Try(*turn.job, decision);
      if (hindrance == Hindrance::kNone) return decision;
      decision.waiting.push_back({turn.job->uid, hindrance});
      if (!reserved_.has_value() && options_.reserves) Reserve(turn);
    }
    if (options_.preempts) decision.preempt = ChooseVictim(turns);
    return decision;
  }

 private:
  std::vector<const DeviceRoom*> DevicesOf(const QueuedJob& job) const {
    std::vector<const DeviceRoom*> devices;
    for (const DeviceRoom& room : room_.devices) {
      if (Answers(room.device, job.device, auto_means_)) devices.push_back(&room);
    }
    // Those with memory for all that wants to be there come first.
    std::stable_partition(devices.begin(), devices.end(), [&](const DeviceRoom* room) {
      return !room->device.is_gpu() || job.needs.gpu_bytes <= room->free_bytes - kGpuSlackBytes;
    });
    return devices;
  }

  /// kNone: the decision is to start it.
  Hindrance Try(const QueuedJob& job, Decision& decision) const {
    auto nearest = Hindrance::kDevice;
    for (const DeviceRoom* device : DevicesOf(job)) {
      Hindrance hindrance = HindranceOn(job.needs, *device, room_, taken_);
      if (hindrance == Hindrance::kNone && Delays(job, *device)) hindrance = Hindrance::kTurn;
      if (hindrance == Hindrance::kNone) {
        decision.start = GrantTo(job, *device);
        return hindrance;
      }
      nearest = std::max(nearest, hindrance);
    }
    return nearest;
  }

  static Grant GrantTo(const QueuedJob& job, const DeviceRoom& room) {
    Grant grant{.job = job, .device = room.device};
    grant.job.needs.host_bytes = HostBytesOn(job.needs, room);
    if (room.device.is_gpu() && room.free_bytes != kNoLimit)
      grant.gpu_budget_bytes = std::max<int64_t>(1, room.free_bytes - kGpuSlackBytes);
    return grant;
  }

  bool Delays(const QueuedJob& job, const DeviceRoom& device) const {
    if (!reserved_.has_value() || job.needs.most_seconds <= reserved_->seconds) return false;
    return device.device.lease_key() == reserved_->device ||
           HostBytesOn(job.needs, device) > reserved_->spare_host_bytes ||
           job.needs.disk_bytes > reserved_->spare_disk_bytes;
  }

  /// None for what would not fit if all that run had ended: then it waits for something that has no estimate.
  void Reserve(const Turn& turn) {
    std::vector<const RunningJob*> ends;
    for (const RunningJob& job : snapshot_.running) ends.push_back(&job);
    const auto end_of = [&](const RunningJob& job) {
      return std::tuple(SecondsLeft(job, snapshot_.now_us), job.start_us);
    };
    absl::c_sort(ends, [&](const RunningJob* a, const RunningJob* b) { return end_of(*a) < end_of(*b); });
    Commitments taken = taken_;
    for (const RunningJob* end : ends) {
      taken.Release(*end);
      for (const DeviceRoom* device : DevicesOf(*turn.job)) {
        if (HindranceOn(turn.job->needs, *device, room_, taken) != Hindrance::kNone) continue;
        const double seconds = turn.is_overdue() || turn.is_late ? 0 : SecondsLeft(*end, snapshot_.now_us);
        reserved_ = Reservation{seconds, device->device.lease_key(),
                                room_.host_bytes - taken.host_bytes() - HostBytesOn(turn.job->needs, *device),
                                room_.disk_bytes - taken.disk_bytes() - turn.job->needs.disk_bytes};
        return;
      }
    }
  }

  bool MayBePreempted(const RunningJob& job, int asking_band) const {
    const double run_seconds = SecondsSince(job.start_us, snapshot_.now_us);
    return BandOf(job.priority) < asking_band && job.keeps_work && !job.is_stopping &&
           job.preemptions < options_.max_preemptions && run_seconds >= options_.min_run_seconds &&
           (job.needs.seconds == 0 || job.needs.seconds - run_seconds >= options_.min_left_seconds);
  }

  /// Whether the job could start once this one has ended.
  bool MakesRoom(const RunningJob& victim, const QueuedJob& job) const {
    Commitments taken = taken_;
    taken.Release(victim);
    return absl::c_any_of(DevicesOf(job), [&](const DeviceRoom* device) {
      return device->device.lease_key() == victim.device &&
             HindranceOn(job.needs, *device, room_, taken) == Hindrance::kNone;
    });
  }

  /// For the first job that may ask for somebody's device. What a job before it could use as well is not asked for:
  /// that one would get it.
  std::optional<RunningJob> ChooseVictim(const std::vector<Turn>& turns) const {
    std::vector<const RunningJob*> open;
    for (const RunningJob& running : snapshot_.running) open.push_back(&running);
    for (auto turn = turns.begin(); turn != turns.end() && !open.empty(); ++turn) {
      if (const RunningJob* victim = FindVictim(*turn->job, open); victim != nullptr) return *victim;
      open.erase(std::remove_if(open.begin(), open.end(),
                                [&](const RunningJob* running) { return MakesRoom(*running, *turn->job); }),
                 open.end());
    }
    return std::nullopt;
  }

  /// The youngest of the lowest band; null when there is none, or one is stopping that will do. Waiting lifts nobody
  /// here: who waits for long gets the next device, not somebody's.
  const RunningJob* FindVictim(const QueuedJob& job, const std::vector<const RunningJob*>& open) const {
    const auto rank = [](const RunningJob& of) { return std::tuple(BandOf(of.priority), -of.start_us); };
    const RunningJob* victim = nullptr;
    for (const RunningJob* running : open) {
      if (running->is_stopping && MakesRoom(*running, job)) return nullptr;
      if (!MayBePreempted(*running, BandOf(job.priority)) || !MakesRoom(*running, job)) continue;
      if (victim == nullptr || rank(*running) < rank(*victim)) victim = running;
    }
    return victim;
  }

  const QueueSnapshot& snapshot_;
  const Room& room_;
  const PolicyOptions& options_;
  const AutoMeans auto_means_;
  const Commitments taken_;
  std::optional<Reservation> reserved_;
};

}  // namespace

Decision Decide(const QueueSnapshot& snapshot, const Room& room, const PolicyOptions& options) {
  return Pass(snapshot, room, options).Run();
}

}  // namespace pivot
