// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROBE_PLAN_MEMORY_H_
#define PIVOT_SERVER_PROBE_PLAN_MEMORY_H_

// Answers of pivot-probe for jobs and sources that have been looked at before: starting a process that reads a
// tokenizer takes a hundred times as long as all else that a new job needs.

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/job.pb.h"

namespace pivot {

/// Every function may be called from any thread.
class PlanMemory {
 public:
  using Answer = std::optional<v1::Plan>;

  explicit PlanMemory(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Absent: not known. The answer itself is absent where the probe gave no plan.
  std::optional<Answer> Find(absl::string_view key);

  /// The answers that were asked for least lately make room. One that is larger than all of it is not kept.
  void Keep(const std::string& key, const Answer& answer);

 private:
  struct Known {
    std::string key;
    Answer answer;
    size_t bytes = 0;
  };

  const size_t max_bytes_;
  std::mutex mutex_;
  std::list<Known> known_;  // newest first
  absl::flat_hash_map<std::string, std::list<Known>::iterator> by_key_;
  size_t bytes_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_PROBE_PLAN_MEMORY_H_
