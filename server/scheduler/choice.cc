// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/choice.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "server/errors.h"

namespace pivot {
namespace {

bool Answers(const Device& device, absl::string_view wanted, bool has_gpu) {
  if (wanted == "auto") return device.is_gpu() == has_gpu;
  return device.name == wanted;
}

bool HasGpu(absl::Span<const Device> devices) {
  return std::any_of(devices.begin(), devices.end(), [](const Device& device) { return device.is_gpu(); });
}

}  // namespace

std::optional<Choice> ChooseNext(absl::Span<const QueuedJob> queue, absl::Span<const Device> devices,
                                 const absl::flat_hash_set<std::string>& leased) {
  const bool has_gpu = HasGpu(devices);
  for (const QueuedJob& job : queue) {
    for (const Device& device : devices) {
      if (Answers(device, job.device, has_gpu) && !leased.contains(device.lease_key())) return Choice{job, device};
    }
  }
  return std::nullopt;
}

absl::Status CheckDevice(absl::string_view wanted, absl::Span<const Device> devices) {
  const bool has_gpu = HasGpu(devices);
  for (const Device& device : devices) {
    if (Answers(device, wanted.empty() ? "auto" : wanted, has_gpu)) return absl::OkStatus();
  }
  const std::string names =
      absl::StrJoin(devices, ", ", [](std::string* out, const Device& device) { out->append(device.name); });
  return DeviceNotFound(absl::StrCat("this server has no device ", wanted, "; it has ", names));
}

}  // namespace pivot
