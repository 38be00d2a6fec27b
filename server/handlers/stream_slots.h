// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_STREAM_SLOTS_H_
#define PIVOT_SERVER_HANDLERS_STREAM_SLOTS_H_

// How many streams may be open at once, of the server and of one principal.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

enum class StreamKind {
  kWatch,  // follows something: an event, a line of a log
  kData,   // a file
};

struct StreamLimits {
  int64_t watchers = 10'000;
  int64_t watchers_per_principal = 100;
  int64_t data_streams = 256;
  int64_t data_streams_per_principal = 64;
};

/// Frees its place when it ends.
using StreamSlot = std::unique_ptr<void, std::function<void(void*)>>;

/// Outlives its slots. Any thread.
class StreamSlots {
 public:
  explicit StreamSlots(const StreamLimits& limits) : limits_(limits) {}

  /// An empty principal has no limit of its own. kResourceExhausted SERVER_BUSY when the server has none left,
  /// QUOTA_EXCEEDED when the principal has.
  absl::StatusOr<StreamSlot> Take(StreamKind kind, const std::string& principal);

 private:
  struct Count {
    int64_t all = 0;
    absl::flat_hash_map<std::string, int64_t> of_principal;
  };

  Count& CountOf(StreamKind kind) { return kind == StreamKind::kWatch ? watchers_ : data_streams_; }
  void Free(StreamKind kind, const std::string& principal);

  const StreamLimits limits_;
  std::mutex mutex_;
  Count watchers_;
  Count data_streams_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_STREAM_SLOTS_H_
