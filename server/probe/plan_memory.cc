// SPDX-License-Identifier: Apache-2.0
#include "server/probe/plan_memory.h"

namespace pivot {

std::optional<PlanMemory::Answer> PlanMemory::Find(absl::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  known_.splice(known_.begin(), known_, found->second);
  return found->second->answer;
}

void PlanMemory::Keep(const std::string& key, const Answer& answer) {
  const size_t bytes = 2 * key.size() + (answer.has_value() ? answer->SpaceUsedLong() : 0);
  if (bytes > max_bytes_) return;
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;
  known_.push_front({key, answer, bytes});
  by_key_[key] = known_.begin();
  bytes_ += bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= known_.back().bytes;
    by_key_.erase(known_.back().key);
    known_.pop_back();
  }
}

}  // namespace pivot
