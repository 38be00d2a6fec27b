// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HUB_H_
#define PIVOT_SERVER_HUB_H_

// Tells those who watch jobs that there is something new. It keeps no queues: durable events are read from the store,
// the newest from memory, and of progress only the newest is kept.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"

#include "server/recent_events.h"

namespace pivot {

class Watcher {
 public:
  virtual ~Watcher() = default;
  /// Something may be new. Any thread, often without need; must return at once.
  virtual void Wake() = 0;
};

struct LiveProgress {
  v1::Progress progress;
  int attempt = 0;
  absl::Time time;
  uint64_t version = 0;  // grows with every change of any job
};

// What may be watched: a job's uid stands for its events and its progress.
/// The events of all jobs of a project.
std::string ProjectTopic(absl::string_view project);
/// What a job's workers write.
std::string LogTopic(absl::string_view job_uid);

/// Every function may be called from any thread.
class Hub {
 public:
  /// Ends when the watcher does.
  void Subscribe(const std::string& topic, const std::shared_ptr<Watcher>& watcher);

  /// Keeps a committed event for a while, and wakes the watchers of its job and project.
  void Committed(const std::string& job_uid, const v1::JobEvent& event);
  const RecentEvents& recent() const { return recent_; }

  /// Wakes the topic's watchers.
  void Notify(const std::string& topic);

  void SetProgress(const std::string& job_uid, int attempt, v1::Progress progress);
  void ClearProgress(const std::string& job_uid);
  std::optional<LiveProgress> Progress(const std::string& job_uid) const;

 private:
  struct Crowd {
    std::vector<std::weak_ptr<Watcher>> watchers;
    size_t sweep_at = 16;  // size at which those that have ended are dropped
  };

  std::vector<std::shared_ptr<Watcher>> Watchers(const std::string& topic);

  RecentEvents recent_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, Crowd> crowds_;  // by topic
  absl::flat_hash_map<std::string, LiveProgress> progress_;
  uint64_t version_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HUB_H_
