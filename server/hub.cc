// SPDX-License-Identifier: Apache-2.0
#include "server/hub.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace pivot {

std::string ProjectTopic(absl::string_view project) { return absl::StrCat("projects/", project); }

std::string LogTopic(absl::string_view job_uid) { return absl::StrCat(job_uid, "/log"); }

void Hub::Subscribe(const std::string& topic, const std::shared_ptr<Watcher>& watcher) {
  const std::lock_guard lock(mutex_);
  auto& watchers = watchers_[topic];
  std::erase_if(watchers, [](const auto& entry) { return entry.expired(); });
  watchers.push_back(watcher);
}

void Hub::Notify(const std::string& topic) {
  for (const auto& watcher : Watchers(topic)) watcher->Wake();
}

void Hub::SetProgress(const std::string& job_uid, int attempt, v1::Progress progress) {
  {
    const std::lock_guard lock(mutex_);
    progress_[job_uid] = {std::move(progress), attempt, absl::Now(), ++version_};
  }
  Notify(job_uid);
}

void Hub::ClearProgress(const std::string& job_uid) {
  const std::lock_guard lock(mutex_);
  progress_.erase(job_uid);
}

std::optional<LiveProgress> Hub::Progress(const std::string& job_uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = progress_.find(job_uid);
  return found == progress_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::shared_ptr<Watcher>> Hub::Watchers(const std::string& topic) {
  std::vector<std::shared_ptr<Watcher>> live;
  const std::lock_guard lock(mutex_);
  const auto found = watchers_.find(topic);
  if (found == watchers_.end()) return live;
  std::erase_if(found->second, [&live](const auto& entry) {
    auto watcher = entry.lock();
    if (watcher == nullptr) return true;
    live.push_back(std::move(watcher));
    return false;
  });
  if (live.empty()) watchers_.erase(found);
  return live;
}

}  // namespace pivot
