// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/disk/undo_log.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pivot {
namespace {

/// Of an open file, also one that was renamed since.
std::string PathOf(int fd) {
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path.data(), path.size());
  return size < 0 ? std::string() : std::string(path.data(), static_cast<size_t>(size));
}

ino_t InodeOf(const std::string& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

UndoLog::UndoLog(const std::string& path, const LibraryCalls& calls) : calls_(calls) {
  if (path.empty()) return;
  // System calls, since the library's functions are the shim's.
  fd_ = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  aside_ = path + ".aside";
  syscall(SYS_mkdirat, AT_FDCWD, aside_.c_str(), 0755);
}

UndoLog::Before UndoLog::LookAt(int fd, int64_t offset, int64_t size) const {
  Before before;
  struct stat info{};
  if (fstat(fd, &info) != 0) return before;
  // A file that was opened to append is written at its end, wherever the caller thinks that it is.
  if (offset < 0) offset = (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? info.st_size : lseek(fd, 0, SEEK_CUR);
  before.path = PathOf(fd);
  before.record = {.offset = offset, .file_size = info.st_size, .inode = info.st_ino};
  const int64_t replaced = std::clamp<int64_t>(info.st_size - offset, 0, size);
  before.bytes.resize(static_cast<size_t>(replaced));
  // The program may have opened it for writing alone.
  const std::string name = "/proc/self/fd/" + std::to_string(fd);
  const int reader = static_cast<int>(syscall(SYS_openat, AT_FDCWD, name.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t count = pread(reader, before.bytes.data(), before.bytes.size(), offset);
  before.bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  syscall(SYS_close, reader);
  return before;
}

void UndoLog::Wrote(Before before, const void* bytes, size_t size) {
  before.record.change = Change::kWrite;
  before.record.new_size = static_cast<uint32_t>(size);
  // Of a short write, only that part was replaced.
  if (before.bytes.size() > size) before.bytes.resize(size);
  Append(before.record, before.path, "", before.bytes, bytes);
}

void UndoLog::Truncated(Before before, int64_t new_size) {
  before.record.change = Change::kTruncate;
  before.record.offset = new_size;
  Append(before.record, before.path, "", before.bytes, nullptr);
}

void UndoLog::Synced(int fd) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return;
  Append({.change = Change::kSync, .inode = info.st_ino}, PathOf(fd), "", "", nullptr);
}

void UndoLog::Did(Change change, const std::string& path, const std::string& second) {
  Append({.change = change, .inode = InodeOf(change == Change::kRename ? second : path)}, path, second, "", nullptr);
}

std::string UndoLog::KeepAside(const std::string& path) {
  const std::string aside = aside_ + "/" + std::to_string(getpid()) + "-" + std::to_string(num_aside_++);
  return calls_.link(path.c_str(), aside.c_str()) == 0 ? aside : std::string();
}

void UndoLog::Append(UndoRecord record, const std::string& path, const std::string& second,
                     const std::string& old_bytes, const void* new_bytes) const {
  record.path_size = static_cast<uint32_t>(path.size());
  record.second_size = static_cast<uint32_t>(second.size());
  record.old_size = static_cast<uint32_t>(old_bytes.size());
  std::string text(reinterpret_cast<const char*>(&record), sizeof(record));
  text += path;
  text += second;
  text += old_bytes;
  text.append(static_cast<const char*>(new_bytes), record.new_size);
  // In one call: the process may be killed before or after, not within.
  if (calls_.write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
}

}  // namespace pivot
