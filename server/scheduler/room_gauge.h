// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_ROOM_GAUGE_H_
#define PIVOT_SERVER_SCHEDULER_ROOM_GAUGE_H_

// What is really free, other programs counted.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"

#include "server/scheduler/admission.h"
#include "server/scheduler/device.h"
#include "server/store/queue.h"

namespace pivot {

/// MemAvailable, or the control group's limit if that is less. kNoLimit when neither can be read.
int64_t AvailableHostBytes();

/// Bytes of the plain files below a folder; 0 when there is none.
int64_t BytesBelow(const std::string& folder);

class RoomGauge {
 public:
  struct Sources {
    std::function<std::map<std::string, int64_t>()> gpu_free_bytes;  // by uuid
    std::function<int64_t()> disk_free_bytes;
    int64_t host_bytes = kNoLimit;  // available when the server started
    int64_t kept_disk_bytes = 0;    // for the server itself
  };
  RoomGauge(std::vector<Device> devices, Sources sources)
      : devices_(std::move(devices)), sources_(std::move(sources)) {}

  /// Of host memory nine tenths are for jobs, of the free disk all but 5 % and what is kept. A GPU that a job holds has
  /// what was free before; one that NVML does not speak of has no limit. One thread at a time.
  Room Measure(absl::Span<const RunningJob> running);

  const std::vector<Device>& devices() const { return devices_; }

 private:
  const std::vector<Device> devices_;
  const Sources sources_;
  std::map<std::string, int64_t> seen_free_bytes_;  // by uuid, when no job of ours was there
};

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_ROOM_GAUGE_H_
