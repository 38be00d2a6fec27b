// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_RECENT_EVENTS_H_
#define PIVOT_SERVER_RECENT_EVENTS_H_

// The newest durable events of all jobs, so that many who watch one job do not ask the store for the same event.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/event.pb.h"

namespace pivot {

/// Every function may be called from any thread.
class RecentEvents {
 public:
  explicit RecentEvents(size_t max_bytes = size_t{4} << 20) : max_bytes_(max_bytes) {}

  /// A committed event with its project_seq. Events may come a little out of order; who waits for one is to be told
  /// after it was added. With a job's deletion its events are forgotten.
  void Add(const std::string& job_uid, const v1::JobEvent& event);

  using Event = std::shared_ptr<const v1::JobEvent>;

  struct Answer {
    enum class Kind {
      kUnknown,  // ask the store
      kEvent,    // the next event
      kNothing,  // none yet
      kEnd,      // none, and the last one made the job terminal
    };
    Kind kind = Kind::kUnknown;
    Event event;
  };
  /// What follows an event of the job.
  Answer After(const std::string& job_uid, uint64_t seq) const;

  /// What follows an event of the jobs of "projects/{project}". Null: ask the store.
  Event AfterInProject(absl::string_view project, uint64_t project_seq) const;

 private:
  using Key = std::pair<std::string, uint64_t>;  // a job's uid or projects/{project}, and the number there

  struct Entry {
    Key of_job;
    Key of_project;
    size_t bytes = 0;
  };

  struct Head {
    uint64_t last_seq = 0;
    bool is_terminal = false;
    int kept = 0;  // of its events
  };

  void ForgetLocked(const std::string& job_uid);
  void DropOldest();

  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // oldest first
  size_t bytes_ = 0;
  absl::flat_hash_map<Key, Event> by_job_;
  absl::flat_hash_map<Key, Event> by_project_;
  absl::flat_hash_map<std::string, Head> heads_;  // by job uid
};

}  // namespace pivot

#endif  // PIVOT_SERVER_RECENT_EVENTS_H_
