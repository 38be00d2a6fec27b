// SPDX-License-Identifier: Apache-2.0
#include "server/hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "server/names.h"

namespace pivot {

std::string ProjectTopic(absl::string_view project) { return absl::StrCat("projects/", project); }

std::string LogTopic(absl::string_view job_uid) { return absl::StrCat(job_uid, "/log"); }

void Hub::Subscribe(const std::string& topic, const std::shared_ptr<Watcher>& watcher) {
  const std::lock_guard lock(mutex_);
  Crowd& crowd = crowds_[topic];
  // Not each time: of ten thousand the last would look at all others.
  if (crowd.watchers.size() >= crowd.sweep_at) {
    std::erase_if(crowd.watchers, [](const auto& entry) { return entry.expired(); });
    crowd.sweep_at = std::max<size_t>(16, 2 * crowd.watchers.size());
  }
  crowd.watchers.push_back(watcher);
}

void Hub::Committed(const std::string& job_uid, const v1::JobEvent& event) {
  recent_.Add(job_uid, event);
  Notify(job_uid);
  Notify(std::string(ProjectOfJob(event.job())));
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
  const auto found = crowds_.find(topic);
  if (found == crowds_.end()) return live;
  std::erase_if(found->second.watchers, [&live](const auto& entry) {
    auto watcher = entry.lock();
    if (watcher == nullptr) return true;
    live.push_back(std::move(watcher));
    return false;
  });
  if (live.empty()) crowds_.erase(found);
  return live;
}

}  // namespace pivot
