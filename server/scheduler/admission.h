// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_ADMISSION_H_
#define PIVOT_SERVER_SCHEDULER_ADMISSION_H_

// Whether a job fits into what is really free: pure functions.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "server/scheduler/device.h"
#include "server/store/queue.h"

namespace pivot {

inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

/// Memory of a GPU that stays free beside a job's.
inline constexpr int64_t kGpuSlackBytes = int64_t{256} << 20;

struct DeviceRoom {
  Device device;
  /// Of a GPU: free just now; of one that a job of ours holds: what was free before it came. Other programs' memory is
  /// not in it.
  int64_t free_bytes = kNoLimit;
  bool is_set_aside = false;  // gets no jobs for now
};

struct Room {
  std::vector<DeviceRoom> devices;
  int64_t host_bytes = kNoLimit;  // for all jobs together
  int64_t disk_bytes = kNoLimit;  // for what jobs have still to write, together
};

/// Why a job waits, the hindrance that is told first.
enum class Hindrance {
  kNone,
  kDevice,     // all its devices are taken, or set aside
  kGpuMemory,  // one is free, but not its memory
  kHostMemory,
  kDisk,
  kTurn,  // it would fit, and would delay a job whose turn it is
};

/// As Job.state_reason says it: "WAITING_FOR_DEVICE"...; empty for kNone.
absl::string_view ReasonFor(Hindrance hindrance);

/// What the jobs that hold devices have taken, and will have left.
class Commitments {
 public:
  explicit Commitments(absl::Span<const RunningJob> running);

  void Release(const RunningJob& job);
  bool IsLeased(absl::string_view lease_key) const;
  int num_jobs() const { return static_cast<int>(leased_.size()); }
  int64_t host_bytes() const { return host_bytes_; }
  int64_t disk_bytes() const { return disk_bytes_; }

 private:
  std::vector<std::string> leased_;
  int64_t host_bytes_ = 0;
  int64_t disk_bytes_ = 0;
};

/// GPUs, where there are any.
AutoMeans MeaningOfAuto(absl::Span<const DeviceRoom> devices);
AutoMeans MeaningOfAuto(absl::Span<const Device> devices);

/// "auto", "cpu" or "cuda:N" stands for this device.
bool Answers(const Device& device, absl::string_view wanted, AutoMeans auto_means);

/// kFailedPrecondition DEVICE_NOT_FOUND when no device answers to a JobSpec's "auto", "cpu" or "cuda:N"; says which
/// there are.
absl::Status CheckDevice(absl::string_view wanted, absl::Span<const Device> devices);

/// Whether this device's memory is enough. A job that asks for more than the whole GPU has is content with an empty
/// one.
bool FitsOnDevice(const JobNeeds& needs, const DeviceRoom& room);

/// Host memory of the job on this device: what the GPU has no room for lies there.
int64_t HostBytesOn(const JobNeeds& needs, const DeviceRoom& room);

/// kNone: it fits on this device, which must answer to it, beside `taken`. A job that asks for more host memory than
/// there is runs alone.
Hindrance HindranceOn(const JobNeeds& needs, const DeviceRoom& device, const Room& room, const Commitments& taken);

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_ADMISSION_H_
