// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/estimates.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace pivot {
namespace {

constexpr double kMedian = 0.5;
constexpr double kHigh = 0.95;
constexpr double kMostMemory = 2;

int64_t Scaled(int64_t bytes, double ratio) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(bytes) * ratio));
}

}  // namespace

Corrections::Corrections(absl::Span<const Score> scores) {
  for (const Score& score : scores) ratios_[{score.device_class, score.measure}].push_back(score.ratio);
  for (auto& [key, ratios] : ratios_) std::sort(ratios.begin(), ratios.end());
}

double Corrections::RatioAt(DeviceClass device_class, Score::Measure measure, double fraction, double unscored) const {
  const auto found = ratios_.find({device_class, measure});
  if (found == ratios_.end() || found->second.size() < kMinScores) return unscored;
  const std::vector<double>& ratios = found->second;
  const auto rank = static_cast<size_t>(std::ceil(fraction * static_cast<double>(ratios.size())));
  return ratios[std::max<size_t>(rank, 1) - 1];
}

JobNeeds Corrections::Apply(const JobNeeds& needs, DeviceClass device_class) const {
  const auto memory_ratio = [&](Score::Measure measure) {
    return std::clamp(RatioAt(device_class, measure, kHigh, 1), 1.0, kMostMemory);
  };
  JobNeeds corrected = needs;
  const double gpu_ratio = memory_ratio(Score::Measure::kGpuBytes);
  corrected.gpu_bytes = Scaled(needs.gpu_bytes, gpu_ratio);
  corrected.least_gpu_bytes = Scaled(needs.least_gpu_bytes, gpu_ratio);
  corrected.host_bytes = Scaled(needs.host_bytes, memory_ratio(Score::Measure::kHostBytes));
  if (needs.seconds == 0) return corrected;
  const double most = needs.seconds * RatioAt(device_class, Score::Measure::kSeconds, kHigh, kUnscoredTimeMargin);
  corrected.most_seconds = std::min(needs.most_seconds, most);
  corrected.seconds =
      std::min(corrected.most_seconds, needs.seconds * RatioAt(device_class, Score::Measure::kSeconds, kMedian, 1));
  return corrected;
}

}  // namespace pivot
