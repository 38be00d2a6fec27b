// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/device_health.h"

#include <algorithm>

namespace pivot {
namespace {

bool MayBeTheDevice(absl::string_view cause) {
  return cause == "WORKER_CRASHED" || cause == "WORKER_STUCK" || cause == "DEVICE_FAULT";
}

}  // namespace

std::optional<SetAside> DeviceHealth::AttemptEnded(const std::string& device, const std::string& job_uid,
                                                   absl::string_view cause) {
  const std::lock_guard lock(mutex_);
  Record& record = records_[device];
  if (cause == "DONE") record = {};
  if (!MayBeTheDevice(cause) || CrashedElsewhere(device, job_uid)) return std::nullopt;
  const absl::Time now = now_();
  std::erase_if(record.crashes,
                [&](const Crash& crash) { return crash.job_uid == job_uid || crash.time + rules_.window < now; });
  record.crashes.push_back({job_uid, now});
  if (record.crashes.size() < (record.rests > 0 ? 1 : rules_.jobs)) return std::nullopt;
  absl::Duration rest = rules_.rest;
  for (int i = 0; i < record.rests && rest < rules_.longest_rest; ++i) rest *= 2;
  ++record.rests;
  record.crashes.clear();
  record.set_aside = SetAside{std::string(cause), now + std::min(rest, rules_.longest_rest)};
  return record.set_aside;
}

std::optional<SetAside> DeviceHealth::Look(absl::string_view device) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(device);
  if (found == records_.end() || !found->second.set_aside.has_value()) return std::nullopt;
  return found->second.set_aside->until > now_() ? found->second.set_aside : std::nullopt;
}

bool DeviceHealth::CrashedElsewhere(const std::string& device, const std::string& job_uid) {
  bool elsewhere = false;
  for (auto& [name, record] : records_) {
    if (name == device) continue;
    elsewhere =
        std::erase_if(record.crashes, [&](const Crash& crash) { return crash.job_uid == job_uid; }) > 0 || elsewhere;
  }
  return elsewhere;
}

}  // namespace pivot
