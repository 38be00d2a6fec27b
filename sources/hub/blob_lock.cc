// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "proto/files/durable_file.h"

namespace pivot::hub {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(100);

/// False when the file was removed between opening and locking it: the lock then excludes nobody.
bool IsStillAt(int fd, const std::string& path) {
  struct stat ours{};
  struct stat there{};
  return fstat(fd, &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

}  // namespace

absl::StatusOr<BlobLock> BlobLock::Acquire(const std::string& path, const std::function<void()>& on_wait,
                                           const std::function<bool()>& is_stopped) {
  bool is_told = false;
  while (!is_stopped()) {
    // Group-writable, as huggingface_hub's: users who share a cache wait for each other.
    BlobLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664));
    if (lock.fd_ < 0) return StatusFromErrno(errno, "cannot open", path);
    if (flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) {
      if (IsStillAt(lock.fd_, path)) return lock;
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) return StatusFromErrno(errno, "cannot lock", path);
    if (!is_told) on_wait();
    is_told = true;
    absl::SleepFor(kPause);
  }
  return absl::CancelledError("stopped");
}

BlobLock::~BlobLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace pivot::hub
