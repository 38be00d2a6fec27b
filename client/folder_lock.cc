// SPDX-License-Identifier: Apache-2.0
#include "client/folder_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr int kTries = 10;

std::string HolderOf(int fd) {
  char text[32] = {};
  const ssize_t count = pread(fd, text, sizeof(text) - 1, 0);
  return count > 0 ? absl::StrCat("process ", text) : "another process";
}

/// False when the file was removed, with its folder, between opening and locking it.
bool IsStillAt(int fd, const std::string& path) {
  struct stat ours{};
  struct stat there{};
  return fstat(fd, &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

}  // namespace

absl::StatusOr<FolderLock> FolderLock::Acquire(const std::string& folder) {
  const std::string path = folder + "/client.lock";
  for (int i = 0; i < kTries; ++i) {
    PIVOT_RETURN_IF_ERROR(MakeFolders(folder));
    UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0 && errno == ENOENT) continue;
    if (file.get() < 0) return StatusFromErrno(errno, "cannot open", path);
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      return WithReason(absl::FailedPreconditionError(
                            absl::StrCat(HolderOf(file.get()), " works in ", folder,
                                         " already: ", "wait for it, or choose another output folder with -o")),
                        "FOLDER_IN_USE");
    }
    if (!IsStillAt(file.get(), path)) continue;
    const std::string holder = absl::StrCat(getpid());
    if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), holder.data(), holder.size(), 0) < 0) {
      return StatusFromErrno(errno, "cannot write", path);
    }
    return FolderLock(std::move(file));
  }
  return absl::AbortedError(absl::StrCat(folder, " is made and removed by others all the time"));
}

}  // namespace pivot::client
