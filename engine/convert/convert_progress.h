// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CONVERT_CONVERT_PROGRESS_H_
#define PIVOT_ENGINE_CONVERT_CONVERT_PROGRESS_H_

// What a conversion says while it runs.

#include <chrono>

#include "engine/job_hooks.h"

namespace pivot {

inline constexpr char kConvertStage[] = "convert";

/// Of one pass over `total` shards or tensors, from its construction on. Borrows the hooks.
class ConvertProgress {
 public:
  ConvertProgress(const JobHooks& hooks, int total) : hooks_(hooks), total_(total) {
    if (hooks_.stage_started) hooks_.stage_started(kConvertStage, total);
  }

  void Report(int done) const {
    if (!hooks_.progress) return;
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    hooks_.progress({.stage = kConvertStage,
                     .done = done,
                     .total = total_,
                     .elapsed_seconds = elapsed,
                     .remaining_seconds = elapsed / done * (total_ - done)});
  }

 private:
  using Clock = std::chrono::steady_clock;

  const JobHooks& hooks_;
  int total_;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CONVERT_CONVERT_PROGRESS_H_
