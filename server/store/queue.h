// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_QUEUE_H_
#define PIVOT_SERVER_STORE_QUEUE_H_

// What waits, what runs and who has used how much: what the scheduler decides by.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace pivot {

/// Devices of one kind stand in for each other.
enum class DeviceClass { kCpu, kGpu };

/// What "auto" stands for.
enum class AutoMeans { kCpu, kGpu };

/// How many jobs may be QUEUED at once.
struct QueueLimits {
  int64_t total = std::numeric_limits<int64_t>::max();
  int64_t of_project = std::numeric_limits<int64_t>::max();
};

/// Estimates of what an attempt needs. Bytes of 0: nothing, or not known.
struct JobNeeds {
  int64_t gpu_bytes = 0;        // with everything on the GPU that wants to be there
  int64_t least_gpu_bytes = 0;  // with all that can be in host memory; 0: as gpu_bytes
  int64_t host_bytes = 0;
  int64_t disk_bytes = 0;                                         // still to be written
  double seconds = 0;                                             // expected; 0: not known
  double most_seconds = std::numeric_limits<double>::infinity();  // whoever takes it has the device back by then

  int64_t lowest_gpu_bytes() const { return least_gpu_bytes > 0 ? least_gpu_bytes : gpu_bytes; }
};

struct QueuedJob {
  std::string uid;
  std::string project;
  int attempt = 0;  // the newest so far
  int priority = 0;
  std::string device;  // as asked for: "auto", "cpu", "cuda:N"
  int64_t create_us = 0;
  int64_t queue_us = 0;  // when it came into the queue, the newest time
  JobNeeds needs;
  std::string staging_uid;
  std::string reason;  // Job.state_reason
};

/// A job that holds a device.
struct RunningJob {
  std::string uid;
  std::string project;
  int attempt = 0;
  int priority = 0;
  std::string device;  // key of its lease
  DeviceClass device_class = DeviceClass::kCpu;
  int64_t start_us = 0;
  JobNeeds needs;            // as they were reserved
  int preemptions = 0;       // of earlier attempts
  bool keeps_work = false;   // what it has done is there when it is started again
  bool is_stopping = false;  // it has been asked to give its device back
  std::string staging_uid;
};

/// Device time of a project, decayed.
struct ProjectUsage {
  std::string project;
  DeviceClass device_class = DeviceClass::kCpu;
  double device_seconds = 0;  // of attempts that have ended, as it was at as_of_us
  int64_t as_of_us = 0;
};

/// When a project's jobs that ask for this device last got one. They are a lane of the queue.
struct LaneClaim {
  std::string project;
  std::string device;  // as asked for
  int64_t claim_us = 0;
};

/// How an estimate turned out.
struct Score {
  enum class Measure { kSeconds, kGpuBytes, kHostBytes };
  DeviceClass device_class = DeviceClass::kCpu;
  Measure measure = Measure::kSeconds;
  double ratio = 1;  // observed / estimated
};

/// All of one moment.
struct QueueSnapshot {
  int64_t now_us = 0;
  std::vector<QueuedJob> queued;
  std::vector<RunningJob> running;
  std::vector<ProjectUsage> usage;
  std::vector<LaneClaim> claims;
  std::vector<Score> scores;  // the newest ones
};

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_QUEUE_H_
