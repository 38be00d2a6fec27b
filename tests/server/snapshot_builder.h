// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_SNAPSHOT_BUILDER_H_
#define PIVOT_TESTS_SERVER_SNAPSHOT_BUILDER_H_

// Short ways to write down what the scheduler's policy decides by.

#include <string>

#include "server/scheduler/policy.h"

namespace pivot {

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kMinute = 60 * kSecond;
inline constexpr int64_t kHour = 60 * kMinute;
inline constexpr int64_t kGib = int64_t{1} << 30;

inline Device NamedCpu() { return {.name = "cpu"}; }
inline Device NumberedGpu(int index, int64_t memory_bytes = 0) {
  return {
      .name = "cuda:" + std::to_string(index), .uuid = "GPU-" + std::to_string(index), .memory_bytes = memory_bytes};
}

/// At noon: times before it are possible.
inline QueueSnapshot Noon() { return {.now_us = 12 * kHour}; }

/// A job of project `project` that came a minute ago.
inline QueuedJob& AddQueued(QueueSnapshot& snapshot, const std::string& uid, const std::string& project = "p") {
  const int64_t time_us = snapshot.now_us - kMinute + static_cast<int64_t>(snapshot.queued.size());
  snapshot.queued.push_back(
      {.uid = uid, .project = project, .priority = 50, .device = "auto", .create_us = time_us, .queue_us = time_us});
  return snapshot.queued.back();
}

/// A job that got `device` a minute ago.
inline RunningJob& AddRunning(QueueSnapshot& snapshot, const std::string& uid, const Device& device,
                              const std::string& project = "p") {
  snapshot.running.push_back({.uid = uid,
                              .project = project,
                              .attempt = 1,
                              .priority = 50,
                              .device = device.lease_key(),
                              .device_class = device.is_gpu() ? DeviceClass::kGpu : DeviceClass::kCpu,
                              .start_us = snapshot.now_us - kMinute,
                              .keeps_work = true});
  return snapshot.running.back();
}

/// "job@device", or "none".
inline std::string StartIn(const Decision& decision) {
  return decision.start.has_value() ? decision.start->job.uid + "@" + decision.start->device.name : "none";
}

inline Hindrance HindranceOf(const Decision& decision, const std::string& uid) {
  for (const Waiting& waiting : decision.waiting) {
    if (waiting.uid == uid) return waiting.hindrance;
  }
  return Hindrance::kNone;
}

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_SNAPSHOT_BUILDER_H_
