// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/room_gauge.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace pivot {
namespace {

namespace fs = std::filesystem;

int64_t JobsShare(int64_t host_bytes) { return host_bytes == kNoLimit ? kNoLimit : host_bytes / 10 * 9; }

}  // namespace

int64_t AvailableHostBytes() {
  int64_t available = kNoLimit;
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::string unit;
  for (int64_t kibibytes = 0; meminfo >> key >> kibibytes;) {
    if (key == "MemAvailable:") available = kibibytes * 1024;
    std::getline(meminfo, unit);
  }
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  if (int64_t bytes = 0; limit >> bytes) available = std::min(available, bytes);
  return available;
}

int64_t BytesBelow(const std::string& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    // A worker writes there: what has gone meanwhile counts nothing.
    if (entry->is_regular_file(ignored) && !entry->is_symlink(ignored)) {
      const auto size = entry->file_size(ignored);
      if (!ignored) bytes += static_cast<int64_t>(size);
    }
  }
  return bytes;
}

Room RoomGauge::Measure(absl::Span<const RunningJob> running) {
  const Commitments taken(running);
  const std::map<std::string, int64_t> free_bytes = sources_.gpu_free_bytes();
  for (const auto& [uuid, bytes] : free_bytes) {
    if (!taken.IsLeased(uuid)) seen_free_bytes_[uuid] = bytes;
  }
  Room room{.host_bytes = JobsShare(sources_.host_bytes),
            .disk_bytes = sources_.disk_free_bytes() / 20 * 19 - sources_.kept_disk_bytes};
  for (const Device& device : devices_) {
    const auto seen = seen_free_bytes_.find(device.uuid);
    room.devices.push_back({device, device.is_gpu() && seen != seen_free_bytes_.end() ? seen->second : kNoLimit});
  }
  return room;
}

}  // namespace pivot
