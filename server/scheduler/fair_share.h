// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_FAIR_SHARE_H_
#define PIVOT_SERVER_SCHEDULER_FAIR_SHARE_H_

// In which order jobs get devices: pure functions of a snapshot.
//
// First the band of the priority, then the project that has used least device time lately, then, within the project,
// priority and age. Two rules keep everyone served; a lane is what one project asks of one device name, "auto" among
// them, and the bound of a job kNumBands less its band, times aging_seconds. A job that has waited for its bound goes
// before all jobs of its lane that came into the queue later. A lane that has got no device for the bound of a job in
// it goes before all lanes that got one since.

#include <cstdint>
#include <limits>
#include <vector>

#include "server/store/queue.h"

namespace pivot {

/// Priorities 0 to 19, 20 to 39... 80 to 100.
inline constexpr int kNumBands = 5;

/// The band of a priority, 0 to kNumBands - 1.
int BandOf(int priority);

struct FairShareOptions {
  double half_life_seconds = 24 * 3600;
  /// What a claim counts at least while it runs; the job's estimate, if that is more. A burst of claims cannot win
  /// the race before the first has used anything.
  double entry_penalty_seconds = 60;
  /// Waiting for so long lifts by one band. Infinite: waiting lifts nobody.
  double aging_seconds = 2 * 3600;
  bool weighs_usage = true;
};

/// `device_seconds` after `elapsed_seconds`: halved every half-life.
double Decay(double device_seconds, double elapsed_seconds, double half_life_seconds);

/// What a run of this length has left in the usage at its end, its beginning decayed already.
double DecayedRun(double run_seconds, double half_life_seconds);

DeviceClass ClassOf(const QueuedJob& job, AutoMeans auto_means);

/// Adds a run that ended at `end_us`.
void AddRun(int64_t start_us, int64_t end_us, const FairShareOptions& options, ProjectUsage& usage);

/// A job's place in the order, smallest first.
struct Turn {
  const QueuedJob* job = nullptr;
  DeviceClass device_class = DeviceClass::kCpu;
  int band = 0;          // with aging; kNumBands: its lane has waited for the bound
  double share = 0;      // the project's usage in seconds; in band kNumBands since when its lane has waited, in us
  bool is_late = false;  // it has waited for its bound itself

  bool is_overdue() const { return band == kNumBands; }
};

/// Whom the queue serves first. Of a running job counts at least its entry penalty.
std::vector<Turn> OrderQueue(const QueueSnapshot& snapshot, AutoMeans auto_means, const FairShareOptions& options);

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_FAIR_SHARE_H_
