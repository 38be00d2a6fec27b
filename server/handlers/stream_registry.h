// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_STREAM_REGISTRY_H_
#define PIVOT_SERVER_HANDLERS_STREAM_REGISTRY_H_

// The open streams, so that all can be ended at once.

#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"

namespace pivot {

class StoppableStream {
 public:
  virtual ~StoppableStream() = default;
  /// Ends the stream with this status, now or as soon as its last write is through. Any thread.
  virtual void Stop(const absl::Status& status) = 0;
};

class StreamRegistry {
 public:
  /// False after StopAll(): the caller must end the stream itself.
  bool Add(const std::shared_ptr<StoppableStream>& stream);

  void StopAll(const absl::Status& status);

 private:
  std::mutex mutex_;
  bool stopped_ = false;
  size_t sweep_at_ = 64;  // number of entries at which ended streams are dropped
  std::vector<std::weak_ptr<StoppableStream>> streams_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_STREAM_REGISTRY_H_
