// SPDX-License-Identifier: Apache-2.0
#include "server/identity/guarded_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/process/unique_fd.h"

namespace pivot {
namespace {

constexpr mode_t kPermissions = 07777;

absl::Status Check(const struct stat& info, const std::string& path, const FileGuard& guard) {
  if (!S_ISREG(info.st_mode)) return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  if (info.st_uid != 0 && info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " belongs to user ", info.st_uid, "; it must belong to root or to the user of pivotd"));
  }
  if ((info.st_mode & guard.forbidden_mode) != 0) {
    const mode_t allowed = info.st_mode & kPermissions & ~guard.forbidden_mode;
    return absl::FailedPreconditionError(
        absl::StrFormat("%s has the mode %04o, which lets others at it; run chmod %04o on it", path,
                        info.st_mode & kPermissions, allowed));
  }
  if (info.st_size <= static_cast<off_t>(guard.max_bytes)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(path, " is larger than ", guard.max_bytes, " bytes"));
}

}  // namespace

absl::StatusOr<std::string> ReadGuardedFile(const std::string& path, const FileGuard& guard) {
  // Of a pipe the open must not wait for a writer.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return StatusFromErrno(errno, "cannot open", path);
  struct stat info{};
  if (fstat(file.get(), &info) != 0) return StatusFromErrno(errno, "cannot look at", path);
  PIVOT_RETURN_IF_ERROR(Check(info, path, guard));
  std::string bytes(guard.max_bytes + 1, '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = read(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StatusFromErrno(errno, "cannot read", path);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  bytes.resize(size);
  if (size <= guard.max_bytes) return bytes;
  return absl::FailedPreconditionError(absl::StrCat(path, " is larger than ", guard.max_bytes, " bytes"));
}

}  // namespace pivot
