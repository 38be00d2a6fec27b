// SPDX-License-Identifier: Apache-2.0
#include "server/recent_events.h"

#include "server/names.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

// Keys, pointers and nodes of an entry.
constexpr size_t kBesides = 500;

}  // namespace

void RecentEvents::Add(const std::string& job_uid, const v1::JobEvent& event) {
  const auto kept = std::make_shared<const v1::JobEvent>(event);
  Entry entry{.of_job = {job_uid, event.seq()},
              .of_project = {std::string(ProjectOfJob(event.job())), event.project_seq()},
              .bytes = event.SpaceUsedLong() + kBesides};
  const std::lock_guard lock(mutex_);
  if (event.has_job_deleted()) {
    ForgetLocked(job_uid);
  } else {
    Head& head = heads_[job_uid];
    ++head.kept;
    if (event.seq() > head.last_seq) {
      head.last_seq = event.seq();
      head.is_terminal = IsTerminal(event.state_changed().to());
    }
    by_job_[entry.of_job] = kept;
  }
  by_project_[entry.of_project] = kept;
  bytes_ += entry.bytes;
  entries_.push_back(std::move(entry));
  while (bytes_ > max_bytes_) DropOldest();
}

void RecentEvents::ForgetLocked(const std::string& job_uid) {
  for (const Entry& entry : entries_) {
    if (entry.of_job.first != job_uid) continue;
    by_job_.erase(entry.of_job);
    by_project_.erase(entry.of_project);
  }
  // Its entries stay until they are the oldest.
  heads_.erase(job_uid);
}

RecentEvents::Answer RecentEvents::After(const std::string& job_uid, uint64_t seq) const {
  const std::lock_guard lock(mutex_);
  const auto head = heads_.find(job_uid);
  if (head == heads_.end() || seq > head->second.last_seq) return {};
  if (seq == head->second.last_seq) {
    return {.kind = head->second.is_terminal ? Answer::Kind::kEnd : Answer::Kind::kNothing};
  }
  const auto found = by_job_.find(Key{job_uid, seq + 1});
  if (found == by_job_.end()) return {};
  return {.kind = Answer::Kind::kEvent, .event = found->second};
}

RecentEvents::Event RecentEvents::AfterInProject(absl::string_view project, uint64_t project_seq) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_project_.find(Key{std::string(project), project_seq + 1});
  return found == by_project_.end() ? nullptr : found->second;
}

void RecentEvents::DropOldest() {
  const Entry& oldest = entries_.front();
  by_job_.erase(oldest.of_job);
  by_project_.erase(oldest.of_project);
  const auto head = heads_.find(oldest.of_job.first);
  if (head != heads_.end() && --head->second.kept == 0) heads_.erase(head);
  bytes_ -= oldest.bytes;
  entries_.pop_front();
}

}  // namespace pivot
