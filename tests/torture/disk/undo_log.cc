// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/disk/undo_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace pivot {
namespace {

namespace fs = std::filesystem;

ino_t InodeOf(const fs::path& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

ino_t FolderOf(const std::string& path) { return InodeOf(fs::path(path).parent_path()); }

std::string NameOf(const std::string& path) { return fs::path(path).filename().string(); }

int OpenToRead(const std::string& path) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

}  // namespace

UndoLog::UndoLog(const std::string& path) {
  if (path.empty()) return;
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
  before.record = {.offset = offset, .file_size = info.st_size, .inode = info.st_ino};
  const int64_t replaced = std::clamp<int64_t>(info.st_size - offset, 0, size);
  before.bytes.resize(static_cast<size_t>(replaced));
  // The program may have opened it for writing alone.
  const int reader = OpenToRead("/proc/self/fd/" + std::to_string(fd));
  const ssize_t count = pread(reader, before.bytes.data(), before.bytes.size(), offset);
  before.bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  syscall(SYS_close, reader);
  return before;
}

UndoLog::Before UndoLog::LookAt(const std::string& path) const {
  const int fd = OpenToRead(path);
  if (fd < 0) return {};
  Before before = LookAt(fd, 0, INT64_MAX);
  syscall(SYS_close, fd);
  return before;
}

void UndoLog::Wrote(Before before, const void* bytes, size_t size) const {
  before.record.change = Change::kWrite;
  before.record.new_size = static_cast<uint32_t>(size);
  // Of a short write, only that part was replaced.
  if (before.bytes.size() > size) before.bytes.resize(size);
  Append(before.record, {.old_bytes = std::move(before.bytes)}, bytes);
}

void UndoLog::Truncated(Before before, int64_t new_size) const {
  before.record.change = Change::kTruncate;
  before.record.offset = new_size;
  Append(before.record, {.old_bytes = std::move(before.bytes)});
}

void UndoLog::Synced(int fd) const {
  struct stat info{};
  if (fstat(fd, &info) == 0) Append({.change = Change::kSync, .inode = info.st_ino}, {});
}

void UndoLog::Made(Change change, const std::string& path) const {
  Append({.change = change, .inode = InodeOf(path), .folder = FolderOf(path)}, {.name = NameOf(path)});
}

void UndoLog::WillRename(const std::string& from, const std::string& to) {
  Append({.change = Change::kRename, .inode = InodeOf(from), .folder = FolderOf(from), .second_folder = FolderOf(to)},
         {.name = NameOf(from), .second = NameOf(to), .aside = KeepAside(to)});
}

void UndoLog::WillUnlink(const std::string& path) {
  Append({.change = Change::kUnlink, .inode = InodeOf(path), .folder = FolderOf(path)},
         {.name = NameOf(path), .aside = KeepAside(path)});
}

void UndoLog::Failed() const {
  const int error = errno;
  Append({.change = Change::kFailed}, {});
  errno = error;
}

int UndoLog::RemoveFolder(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(path, error)) || !fs::is_empty(path, error))
    return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path.c_str(), AT_REMOVEDIR));
  const std::string aside = NewAside();
  Append({.change = Change::kRemoveFolder, .inode = InodeOf(path), .folder = FolderOf(path)},
         {.name = NameOf(path), .aside = aside});
  const auto result = static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, path.c_str(), AT_FDCWD, aside.c_str(), 0));
  if (result != 0) Failed();
  return result;
}

std::string UndoLog::NewAside() { return aside_ + "/" + std::to_string(getpid()) + "-" + std::to_string(num_aside_++); }

std::string UndoLog::KeepAside(const std::string& path) {
  std::string aside = NewAside();
  return link(path.c_str(), aside.c_str()) == 0 ? aside : std::string();
}

void UndoLog::Append(UndoRecord record, const Texts& texts, const void* new_bytes) const {
  record.name_size = static_cast<uint32_t>(texts.name.size());
  record.second_size = static_cast<uint32_t>(texts.second.size());
  record.aside_size = static_cast<uint32_t>(texts.aside.size());
  record.old_size = static_cast<uint32_t>(texts.old_bytes.size());
  std::string text(reinterpret_cast<const char*>(&record), sizeof(record));
  text += texts.name + texts.second + texts.aside + texts.old_bytes;
  text.append(static_cast<const char*>(new_bytes), record.new_size);
  // In one call: when the process is killed, the last record at most is cut short.
  if (syscall(SYS_write, fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
}

}  // namespace pivot
