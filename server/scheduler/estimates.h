// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_ESTIMATES_H_
#define PIVOT_SERVER_SCHEDULER_ESTIMATES_H_

// Estimates of plans, made good by how earlier ones turned out on this machine.

#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"

#include "server/store/queue.h"

namespace pivot {

/// Before so many runs were scored an estimate is taken as it is.
inline constexpr int kMinScores = 3;

/// The upper estimate of a time is this many times the estimate until then.
inline constexpr double kUnscoredTimeMargin = 3;

class Corrections {
 public:
  explicit Corrections(absl::Span<const Score> scores);

  /// Seconds times the median of observed / estimated, the upper estimate times its 95th percentile, not above the
  /// upper bound that the needs have already. Memory times its 95th percentile, 1 to 2: what was estimated is never
  /// taken for too much.
  JobNeeds Apply(const JobNeeds& needs, DeviceClass device_class) const;

 private:
  /// Of the scores at this fraction of their order; `unscored` when there are too few.
  double RatioAt(DeviceClass device_class, Score::Measure measure, double fraction, double unscored) const;

  std::map<std::pair<DeviceClass, Score::Measure>, std::vector<double>> ratios_;  // sorted
};

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_ESTIMATES_H_
