// SPDX-License-Identifier: Apache-2.0
#include "proto/files/durable_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

#include "proto/files/crash_point.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr char kSyncFailure[] = "pivot/sync_failure";

class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StatusFromErrno(errno, "cannot write", path);
    content.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status StatusFromErrno(int error, absl::string_view action, absl::string_view path) {
  const std::string message = absl::StrCat(action, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
      return WithReason(absl::ResourceExhaustedError(message), "DISK_FULL");
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below.
  const OwnedFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return StatusFromErrno(errno, "cannot open", path);
  struct stat info{};
  if (fstat(file.get(), &info) != 0) return StatusFromErrno(errno, "cannot read", path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  if (static_cast<size_t>(info.st_size) > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", info.st_size, " bytes; at most ", max_bytes, " are read"));
  }
  std::string content(static_cast<size_t>(info.st_size), '\0');
  size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t count = read(file.get(), content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StatusFromErrno(errno, "cannot read", path);
    if (count == 0) return absl::DataLossError(absl::StrCat(path, " became shorter while it was read"));
    filled += static_cast<size_t>(count);
  }
  return content;
}

absl::Status WriteFileDurably(const std::string& path, absl::string_view content) {
  const std::string part = path + ".part";
  {
    const OwnedFd file(open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (file.get() < 0) return StatusFromErrno(errno, "cannot create", part);
    PIVOT_CRASH_POINT("durable_file.created");
    absl::Status status = WriteAll(file.get(), content, part);
    PIVOT_CRASH_POINT("durable_file.written");
    if (status.ok()) status = SyncFile(file.get(), part);
    if (!status.ok()) {
      unlink(part.c_str());
      return status;
    }
  }
  PIVOT_CRASH_POINT("durable_file.synced");
  if (rename(part.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(part.c_str());
    return StatusFromErrno(error, "cannot rename to", path);
  }
  PIVOT_CRASH_POINT("durable_file.renamed");
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return SyncFolder(folder.empty() ? "." : folder);
}

absl::Status WriteAt(int fd, int64_t offset, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StatusFromErrno(errno, "cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += count;
  }
  return absl::OkStatus();
}

absl::Status SyncFile(int fd, const std::string& path) {
  if (fsync(fd) == 0) return absl::OkStatus();
  absl::Status status = StatusFromErrno(errno, "cannot sync", path);
  status.SetPayload(kSyncFailure, absl::Cord());
  return status;
}

absl::Status SyncFolder(const std::string& path) {
  const OwnedFd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return StatusFromErrno(errno, "cannot open", path);
  return SyncFile(folder.get(), path);
}

bool IsSyncFailure(const absl::Status& status) { return status.GetPayload(kSyncFailure).has_value(); }

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return StatusFromErrno(error.value(), "cannot create", path);
  return absl::OkStatus();
}

absl::Status RemoveAll(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error && error != std::errc::no_such_file_or_directory)
    return StatusFromErrno(error.value(), "cannot remove", path);
  return absl::OkStatus();
}

}  // namespace pivot
