// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/stream_registry.h"

#include <algorithm>

namespace pivot {

bool StreamRegistry::Add(const std::shared_ptr<StoppableStream>& stream) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  if (streams_.size() >= sweep_at_) {
    std::erase_if(streams_, [](const auto& entry) { return entry.expired(); });
    sweep_at_ = std::max<size_t>(64, 2 * streams_.size());
  }
  streams_.push_back(stream);
  return true;
}

void StreamRegistry::StopAll(const absl::Status& status) {
  std::vector<std::weak_ptr<StoppableStream>> streams;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    streams.swap(streams_);
  }
  for (const auto& entry : streams) {
    if (const auto stream = entry.lock()) stream->Stop(status);
  }
}

}  // namespace pivot
