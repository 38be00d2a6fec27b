// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/fair_share.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace pivot {
namespace {

constexpr int kPrioritiesOfABand = 20;
constexpr double kMicrosecondsOfASecond = 1e6;

struct Account {
  double usage = 0;
  int top_band = 0;  // of its jobs that wait
};

struct Books {
  absl::flat_hash_map<std::pair<std::string, DeviceClass>, Account> accounts;
  absl::flat_hash_map<std::pair<std::string, std::string>, int64_t> claims_us;  // by project and device asked for
};

double SecondsBetween(int64_t from_us, int64_t to_us) {
  return static_cast<double>(std::max<int64_t>(0, to_us - from_us)) / kMicrosecondsOfASecond;
}

double ChargeOf(const RunningJob& job, int64_t now_us, const FairShareOptions& options) {
  const double used = DecayedRun(SecondsBetween(job.start_us, now_us), options.half_life_seconds);
  return std::max({used, options.entry_penalty_seconds, job.needs.seconds});
}

Books BooksOf(const QueueSnapshot& snapshot, AutoMeans auto_means, const FairShareOptions& options) {
  Books books;
  for (const ProjectUsage& usage : snapshot.usage) {
    books.accounts[{usage.project, usage.device_class}].usage +=
        Decay(usage.device_seconds, SecondsBetween(usage.as_of_us, snapshot.now_us), options.half_life_seconds);
  }
  for (const RunningJob& job : snapshot.running) {
    books.accounts[{job.project, job.device_class}].usage += ChargeOf(job, snapshot.now_us, options);
  }
  for (const QueuedJob& job : snapshot.queued) {
    Account& account = books.accounts[{job.project, ClassOf(job, auto_means)}];
    account.top_band = std::max(account.top_band, BandOf(job.priority));
  }
  for (const LaneClaim& claim : snapshot.claims) books.claims_us[{claim.project, claim.device}] = claim.claim_us;
  return books;
}

/// Bands that a wait lifts by, at most all.
int Lift(int64_t since_us, int64_t now_us, const FairShareOptions& options) {
  return static_cast<int>(
      std::min<double>(kNumBands, std::floor(SecondsBetween(since_us, now_us) / options.aging_seconds)));
}

Turn TurnOf(const QueuedJob& job, int64_t now_us, AutoMeans auto_means, const Books& books,
            const FairShareOptions& options) {
  Turn turn{.job = &job, .device_class = ClassOf(job, auto_means)};
  const Account& account = books.accounts.at({job.project, turn.device_class});
  const auto claim = books.claims_us.find({job.project, job.device});
  const int own_band = BandOf(job.priority);
  turn.is_late = own_band + Lift(job.queue_us, now_us, options) >= kNumBands;
  // A late job takes what its project would get for its most urgent one.
  const int band = turn.is_late ? account.top_band : own_band;
  const int64_t unserved_since_us = std::max(job.queue_us, claim == books.claims_us.end() ? 0 : claim->second);
  turn.band = std::min(kNumBands, band + Lift(unserved_since_us, now_us, options));
  if (turn.is_overdue()) {
    turn.share = static_cast<double>(unserved_since_us);
  } else if (options.weighs_usage) {
    turn.share = account.usage;
  }
  return turn;
}

bool ComesBefore(const Turn& a, const Turn& b) {
  const auto rank = [](const Turn& turn) {
    const QueuedJob& job = *turn.job;
    // Late jobs go by their age alone, and before those of the project that are not.
    return std::tuple(-turn.band, turn.share, !turn.is_late, turn.is_late ? job.queue_us : 0,
                      turn.is_late ? 0 : -job.priority, job.create_us);
  };
  return std::tuple_cat(rank(a), std::tie(a.job->uid)) < std::tuple_cat(rank(b), std::tie(b.job->uid));
}

}  // namespace

DeviceClass ClassOf(const QueuedJob& job, AutoMeans auto_means) {
  if (job.device == "cpu") return DeviceClass::kCpu;
  return job.device == "auto" && auto_means == AutoMeans::kCpu ? DeviceClass::kCpu : DeviceClass::kGpu;
}

int BandOf(int priority) { return std::clamp(priority / kPrioritiesOfABand, 0, kNumBands - 1); }

double Decay(double device_seconds, double elapsed_seconds, double half_life_seconds) {
  return device_seconds * std::exp2(-elapsed_seconds / half_life_seconds);
}

double DecayedRun(double run_seconds, double half_life_seconds) {
  // The integral of Decay(1, s) over the run.
  return half_life_seconds / std::log(2.0) * -std::expm1(-std::log(2.0) * run_seconds / half_life_seconds);
}

void AddRun(int64_t start_us, int64_t end_us, const FairShareOptions& options, ProjectUsage& usage) {
  usage.device_seconds =
      Decay(usage.device_seconds, SecondsBetween(usage.as_of_us, end_us), options.half_life_seconds) +
      DecayedRun(SecondsBetween(start_us, end_us), options.half_life_seconds);
  usage.as_of_us = std::max(usage.as_of_us, end_us);
}

std::vector<Turn> OrderQueue(const QueueSnapshot& snapshot, AutoMeans auto_means, const FairShareOptions& options) {
  const Books books = BooksOf(snapshot, auto_means, options);
  std::vector<Turn> turns;
  turns.reserve(snapshot.queued.size());
  for (const QueuedJob& job : snapshot.queued) {
    turns.push_back(TurnOf(job, snapshot.now_us, auto_means, books, options));
  }
  std::sort(turns.begin(), turns.end(), ComesBefore);
  return turns;
}

}  // namespace pivot
