// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_BLOB_LOCK_H_
#define PIVOT_SOURCES_HUB_BLOB_LOCK_H_

// One process at a time fetches a blob, be it ours or a Python program with huggingface_hub.

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace pivot::hub {

/// An flock, as filelock's; the file stays. Held until the object goes or the process ends, however it ends.
class BlobLock {
 public:
  /// Waits for it; `on_wait` is called once if another holds it. kCancelled when `is_stopped` says so.
  static absl::StatusOr<BlobLock> Acquire(const std::string& path, const std::function<void()>& on_wait,
                                          const std::function<bool()>& is_stopped);

  BlobLock(BlobLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  BlobLock& operator=(BlobLock&& other) = delete;
  ~BlobLock();

 private:
  explicit BlobLock(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_BLOB_LOCK_H_
