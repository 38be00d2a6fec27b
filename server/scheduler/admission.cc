// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/admission.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "server/errors.h"

namespace pivot {
namespace {

/// Of an empty GPU: the driver keeps a little.
int64_t UsableBytes(const Device& device) { return device.memory_bytes / 20 * 19; }

int64_t LimitedBy(int64_t bytes, const Device& device) {
  return device.memory_bytes > 0 ? std::min(bytes, UsableBytes(device)) : bytes;
}

}  // namespace

absl::string_view ReasonFor(Hindrance hindrance) {
  switch (hindrance) {
    case Hindrance::kNone:
      return "";
    case Hindrance::kDevice:
      return "WAITING_FOR_DEVICE";
    case Hindrance::kGpuMemory:
      return "WAITING_FOR_GPU_MEMORY";
    case Hindrance::kHostMemory:
      return "WAITING_FOR_HOST_MEMORY";
    case Hindrance::kDisk:
      return "WAITING_FOR_DISK";
    case Hindrance::kTurn:
      return "WAITING_FOR_TURN";
  }
  return "";
}

Commitments::Commitments(absl::Span<const RunningJob> running) {
  for (const RunningJob& job : running) {
    leased_.push_back(job.device);
    host_bytes_ += job.needs.host_bytes;
    disk_bytes_ += job.needs.disk_bytes;
  }
}

void Commitments::Release(const RunningJob& job) {
  leased_.erase(absl::c_find(leased_, job.device));
  host_bytes_ -= job.needs.host_bytes;
  disk_bytes_ -= job.needs.disk_bytes;
}

bool Commitments::IsLeased(absl::string_view lease_key) const { return absl::c_linear_search(leased_, lease_key); }

AutoMeans MeaningOfAuto(absl::Span<const DeviceRoom> devices) {
  const bool has_gpu = absl::c_any_of(devices, [](const DeviceRoom& room) { return room.device.is_gpu(); });
  return has_gpu ? AutoMeans::kGpu : AutoMeans::kCpu;
}

AutoMeans MeaningOfAuto(absl::Span<const Device> devices) {
  const bool has_gpu = absl::c_any_of(devices, [](const Device& device) { return device.is_gpu(); });
  return has_gpu ? AutoMeans::kGpu : AutoMeans::kCpu;
}

bool Answers(const Device& device, absl::string_view wanted, AutoMeans auto_means) {
  if (wanted == "auto") return device.is_gpu() == (auto_means == AutoMeans::kGpu);
  return device.name == wanted;
}

absl::Status CheckDevice(absl::string_view wanted, absl::Span<const Device> devices) {
  const AutoMeans auto_means = MeaningOfAuto(devices);
  for (const Device& device : devices) {
    if (Answers(device, wanted.empty() ? "auto" : wanted, auto_means)) return absl::OkStatus();
  }
  const std::string names =
      absl::StrJoin(devices, ", ", [](std::string* out, const Device& device) { out->append(device.name); });
  return DeviceNotFound(absl::StrCat("this server has no device ", wanted, "; it has ", names));
}

bool FitsOnDevice(const JobNeeds& needs, const DeviceRoom& room) {
  if (!room.device.is_gpu() || needs.lowest_gpu_bytes() == 0) return true;
  return LimitedBy(needs.lowest_gpu_bytes() + kGpuSlackBytes, room.device) <= room.free_bytes;
}

int64_t HostBytesOn(const JobNeeds& needs, const DeviceRoom& room) {
  if (!room.device.is_gpu() || room.free_bytes == kNoLimit) return needs.host_bytes;
  // The estimate counts what a whole GPU has no room for already.
  const int64_t wanted = LimitedBy(needs.gpu_bytes + kGpuSlackBytes, room.device);
  return needs.host_bytes + std::max<int64_t>(0, wanted - room.free_bytes);
}

Hindrance HindranceOn(const JobNeeds& needs, const DeviceRoom& device, const Room& room, const Commitments& taken) {
  if (device.is_set_aside || taken.IsLeased(device.device.lease_key())) return Hindrance::kDevice;
  if (!FitsOnDevice(needs, device)) return Hindrance::kGpuMemory;
  const int64_t host_bytes = HostBytesOn(needs, device);
  const bool has_host = host_bytes == 0 || taken.num_jobs() == 0 || host_bytes <= room.host_bytes - taken.host_bytes();
  if (!has_host) return Hindrance::kHostMemory;
  const bool has_disk = needs.disk_bytes == 0 || needs.disk_bytes <= room.disk_bytes - taken.disk_bytes();
  return has_disk ? Hindrance::kNone : Hindrance::kDisk;
}

}  // namespace pivot
