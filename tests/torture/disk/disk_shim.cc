// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that stands between a program and the files below one folder: it counts calls, makes one of
// them fail, and writes down what the loss of power would undo (undo_log.h).
//   PIVOT_SHIM_ROOT    the folder
//   PIVOT_SHIM_COUNTS  a file of eight 64-bit numbers: calls so far of each kind, in the order of Kind
//   PIVOT_SHIM_FAULT   KIND:EFFECT:K: the K-th call of a kind (write, sync, open, rename, truncate, mkdir, unlink) ends
//                      with EFFECT: ENOSPC, EIO, EMFILE, or short (half of a write); with a + behind it all later ones
//                      too
//   PIVOT_SHIM_UNDO    the file of undo records
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "tests/torture/disk/undo_log.h"

#define PIVOT_EXPORT extern "C" __attribute__((visibility("default")))

namespace pivot {
namespace {

enum class Kind { kWrite, kSync, kOpen, kRename, kTruncate, kMkdir, kUnlink, kCount };
constexpr std::array<const char*, 7> kNames = {"write", "sync", "open", "rename", "truncate", "mkdir", "unlink"};
constexpr int kMaxFds = 65536;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

class Shim {
 public:
  static Shim& Get() {
    static Shim* const shim = new Shim;  // for ever: calls come until the very end
    return *shim;
  }

  bool IsBelow(const char* path) const {
    return !root_.empty() && std::strncmp(path, root_.c_str(), root_.size()) == 0;
  }
  /// In which the watched folder's own name is.
  bool IsParent(const std::string& path) const { return undo_.is_on() && path == root_.substr(0, root_.rfind('/')); }
  bool IsWatched(int fd) const { return fd >= 0 && fd < kMaxFds && watched_[static_cast<size_t>(fd)]; }
  void Watch(int fd, bool watched) {
    if (fd >= 0 && fd < kMaxFds) watched_[static_cast<size_t>(fd)] = watched;
  }

  /// Counts a call. 0: go on; else the errno to fail with; -1: write half.
  int Fault(Kind kind) {
    const uint64_t number = counts_[static_cast<size_t>(kind)].fetch_add(1) + 1;
    if (kind != fault_kind_ || (for_ever_ ? number < fault_at_ : number != fault_at_)) return 0;
    return effect_;
  }

  UndoLog& undo() { return undo_; }

 private:
  Shim() : root_(Variable("PIVOT_SHIM_ROOT")), undo_(Variable("PIVOT_SHIM_UNDO")) {
    MapCounts(Variable("PIVOT_SHIM_COUNTS"));
    ReadFault(Variable("PIVOT_SHIM_FAULT"));
  }

  void MapCounts(const std::string& path) {
    if (path.empty()) return;
    const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDWR | O_CLOEXEC));
    void* const map = mmap(nullptr, sizeof(uint64_t) * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    counts_ = static_cast<std::atomic<uint64_t>*>(map);
    syscall(SYS_close, fd);
  }

  void ReadFault(const std::string& text) {
    std::array<char, 16> kind{};
    std::array<char, 16> effect{};
    unsigned long long at = 0;
    char more = 0;
    if (std::sscanf(text.c_str(), "%15[^:]:%15[^:]:%llu%c", kind.data(), effect.data(), &at, &more) < 3) return;
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (std::string(kind.data()) == kNames[i]) fault_kind_ = static_cast<Kind>(i);
    }
    const std::string what = effect.data();
    effect_ = what == "ENOSPC" ? ENOSPC : what == "EIO" ? EIO : what == "EMFILE" ? EMFILE : -1;
    fault_at_ = at;
    for_ever_ = more == '+';
  }

  const std::string root_;
  UndoLog undo_;
  std::array<std::atomic<uint64_t>, 8> own_counts_{};
  std::atomic<uint64_t>* counts_ = own_counts_.data();
  std::array<std::atomic<bool>, kMaxFds> watched_{};
  Kind fault_kind_ = Kind::kCount;
  uint64_t fault_at_ = 0;
  bool for_ever_ = false;
  int effect_ = 0;
};

int Fail(int error) {
  errno = error;
  return -1;
}

/// The whole path of one that may be relative to an open folder.
std::string Whole(int folder, const char* path) {
  if (path[0] == '/' || folder == AT_FDCWD) return path;
  std::array<char, 4096> name{};
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(folder)).c_str(), name.data(), name.size());
  return std::string(name.data(), static_cast<size_t>(size < 0 ? 0 : size)) + "/" + path;
}

/// An open that may make a file or empty it.
template <typename Really>
int OpenToChange(UndoLog& undo, const std::string& path, int flags, Really really) {
  const std::lock_guard lock(undo.mutex());
  const bool is_new = access(path.c_str(), F_OK) != 0;
  UndoLog::Before before = (flags & O_TRUNC) != 0 ? undo.LookAt(path) : UndoLog::Before{};
  const int fd = really();
  if (fd >= 0 && is_new) undo.Made(Change::kCreate, path);
  if (fd >= 0 && !before.bytes.empty()) undo.Truncated(std::move(before), 0);
  return fd;
}

int Open(int folder, const char* path, int flags, mode_t mode) {
  Shim& shim = Shim::Get();
  const auto really = [&] { return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode)); };
  const std::string whole = Whole(folder, path);
  if (!shim.IsBelow(whole.c_str())) {
    const int fd = really();
    shim.Watch(fd, shim.IsParent(whole));
    return fd;
  }
  if (const int fault = shim.Fault(Kind::kOpen); fault > 0) return Fail(fault);
  const bool may_change = (flags & (O_CREAT | O_TRUNC)) != 0 && shim.undo().is_on();
  const int fd = may_change ? OpenToChange(shim.undo(), whole, flags, really) : really();
  shim.Watch(fd, true);
  return fd;
}

/// A folder that was closed where the shim does not see it leaves its number to anything.
bool IsFile(int fd) {
  struct stat info{};
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

template <typename Really>
ssize_t Write(int fd, const void* bytes, size_t size, int64_t offset, Really really) {
  Shim& shim = Shim::Get();
  if (!shim.IsWatched(fd) || !IsFile(fd)) return really(size);
  const int fault = shim.Fault(Kind::kWrite);
  if (fault > 0) return Fail(fault);
  if (fault < 0 && size > 1) size /= 2;
  if (!shim.undo().is_on()) return really(size);
  const std::lock_guard lock(shim.undo().mutex());
  UndoLog::Before before = shim.undo().LookAt(fd, offset, static_cast<int64_t>(size));
  const ssize_t written = really(size);
  if (written > 0) shim.undo().Wrote(std::move(before), bytes, static_cast<size_t>(written));
  return written;
}

template <typename Really>
int Sync(int fd, Really really) {
  Shim& shim = Shim::Get();
  if (!shim.IsWatched(fd)) return really();
  if (const int fault = shim.Fault(Kind::kSync); fault > 0) return Fail(fault);
  if (!shim.undo().is_on()) return really();
  const std::lock_guard lock(shim.undo().mutex());
  const int result = really();
  if (result == 0) shim.undo().Synced(fd);
  return result;
}

template <typename Really>
int Truncate(int fd, int64_t size, Really really) {
  Shim& shim = Shim::Get();
  if (!shim.IsWatched(fd)) return really();
  if (const int fault = shim.Fault(Kind::kTruncate); fault > 0) return Fail(fault);
  if (!shim.undo().is_on()) return really();
  const std::lock_guard lock(shim.undo().mutex());
  UndoLog::Before before = shim.undo().LookAt(fd, size, INT64_MAX);
  const int result = really();
  if (result == 0) shim.undo().Truncated(std::move(before), size);
  return result;
}

/// A change of names: `record` does it and writes it down.
template <typename Really, typename Record>
int ChangeNames(Kind kind, const std::string& path, Really really, Record record) {
  Shim& shim = Shim::Get();
  if (!shim.IsBelow(path.c_str())) return really();
  if (const int fault = shim.Fault(kind); fault > 0) return Fail(fault);
  if (!shim.undo().is_on()) return really();
  const std::lock_guard lock(shim.undo().mutex());
  return record(shim.undo());
}

template <typename Really>
int Remove(const std::string& path, bool is_folder, Really really) {
  return ChangeNames(Kind::kUnlink, path, really, [&](UndoLog& undo) {
    if (is_folder) return undo.RemoveFolder(path);
    undo.WillUnlink(path);
    const int result = really();
    if (result != 0) undo.Failed();
    return result;
  });
}

mode_t ModeOf(int flags, va_list arguments) { return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0; }

}  // namespace
}  // namespace pivot

using pivot::Change;
using pivot::Kind;
using pivot::UndoLog;

#define PIVOT_OPEN(name)                                    \
  PIVOT_EXPORT int name(const char* path, int flags, ...) { \
    va_list arguments;                                      \
    va_start(arguments, flags);                             \
    const mode_t mode = pivot::ModeOf(flags, arguments);    \
    va_end(arguments);                                      \
    return pivot::Open(AT_FDCWD, path, flags, mode);        \
  }
#define PIVOT_OPENAT(name)                                              \
  PIVOT_EXPORT int name(int folder, const char* path, int flags, ...) { \
    va_list arguments;                                                  \
    va_start(arguments, flags);                                         \
    const mode_t mode = pivot::ModeOf(flags, arguments);                \
    va_end(arguments);                                                  \
    return pivot::Open(folder, path, flags, mode);                      \
  }
PIVOT_OPEN(open)
PIVOT_OPEN(open64)
PIVOT_OPENAT(openat)
PIVOT_OPENAT(openat64)

PIVOT_EXPORT int close(int fd) {
  pivot::Shim::Get().Watch(fd, false);
  return static_cast<int>(syscall(SYS_close, fd));
}
PIVOT_EXPORT ssize_t write(int fd, const void* bytes, size_t size) {
  return pivot::Write(fd, bytes, size, -1, [&](size_t part) { return syscall(SYS_write, fd, bytes, part); });
}
PIVOT_EXPORT ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pivot::Write(fd, bytes, size, offset,
                      [&](size_t part) { return syscall(SYS_pwrite64, fd, bytes, part, offset); });
}
PIVOT_EXPORT ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return pwrite64(fd, bytes, size, offset);
}
PIVOT_EXPORT int fsync(int fd) {
  return pivot::Sync(fd, [&] { return static_cast<int>(syscall(SYS_fsync, fd)); });
}
PIVOT_EXPORT int fdatasync(int fd) {
  return pivot::Sync(fd, [&] { return static_cast<int>(syscall(SYS_fdatasync, fd)); });
}
PIVOT_EXPORT int ftruncate64(int fd, off64_t size) noexcept {
  return pivot::Truncate(fd, size, [&] { return static_cast<int>(syscall(SYS_ftruncate, fd, size)); });
}
PIVOT_EXPORT int ftruncate(int fd, off_t size) noexcept { return ftruncate64(fd, size); }
PIVOT_EXPORT int rename(const char* from, const char* to) noexcept {
  const auto really = [&] { return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)); };
  return pivot::ChangeNames(Kind::kRename, from, really, [&](UndoLog& undo) {
    undo.WillRename(from, to);
    const int result = really();
    if (result != 0) undo.Failed();
    return result;
  });
}
PIVOT_EXPORT int mkdir(const char* path, mode_t mode) noexcept {
  const auto really = [&] { return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode)); };
  return pivot::ChangeNames(Kind::kMkdir, path, really, [&](UndoLog& undo) {
    const int result = really();
    if (result == 0) undo.Made(Change::kMakeFolder, path);
    return result;
  });
}
PIVOT_EXPORT int unlinkat(int folder, const char* path, int flags) noexcept {
  return pivot::Remove(pivot::Whole(folder, path), (flags & AT_REMOVEDIR) != 0,
                       [&] { return static_cast<int>(syscall(SYS_unlinkat, folder, path, flags)); });
}
PIVOT_EXPORT int unlink(const char* path) noexcept { return unlinkat(AT_FDCWD, path, 0); }
PIVOT_EXPORT int rmdir(const char* path) noexcept { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
PIVOT_EXPORT int remove(const char* path) noexcept {
  struct stat info{};
  return lstat(path, &info) == 0 && S_ISDIR(info.st_mode) ? rmdir(path) : unlink(path);
}
