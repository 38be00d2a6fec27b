// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_DEVICE_HEALTH_H_
#define PIVOT_SERVER_SCHEDULER_DEVICE_HEALTH_H_

// Which GPUs get no jobs for a while, because several jobs' workers crashed there.

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace pivot {

struct HealthRules {
  size_t jobs = 2;                            // so many different ones must crash
  absl::Duration window = absl::Minutes(10);  // within this time
  absl::Duration rest = absl::Minutes(30);    // doubled each time until a job succeeds there,
  absl::Duration longest_rest = absl::Hours(4);
};

struct SetAside {
  std::string cause;  // of the newest attempt, as Attempt.cause
  absl::Time until;
};

/// Every function may be called from any thread. It knows of what happened since the server started.
class DeviceHealth {
 public:
  explicit DeviceHealth(std::function<absl::Time()> now = absl::Now, const HealthRules& rules = {})
      : now_(std::move(now)), rules_(rules) {}

  /// An attempt of the job ended on the device with this cause. What it leads to, if this sets the device aside.
  /// WORKER_CRASHED, WORKER_STUCK and DEVICE_FAULT count, unless the job crashed on another device too: then it is the
  /// job. A device that is tried again is set aside at the first crash. A job that is DONE clears all.
  std::optional<SetAside> AttemptEnded(const std::string& device, const std::string& job_uid, absl::string_view cause);

  /// Absent: it may be used.
  std::optional<SetAside> Look(absl::string_view device) const;

 private:
  struct Crash {
    std::string job_uid;
    absl::Time time;
  };

  struct Record {
    std::vector<Crash> crashes;  // one a job
    std::optional<SetAside> set_aside;
    int rests = 0;  // since a job last succeeded
  };

  /// Of a job that crashes on several devices nothing counts.
  bool CrashedElsewhere(const std::string& device, const std::string& job_uid);

  const std::function<absl::Time()> now_;
  const HealthRules rules_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, Record> records_;  // by device
};

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_DEVICE_HEALTH_H_
