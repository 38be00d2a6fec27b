// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_DISK_UNDO_LOG_H_
#define PIVOT_TESTS_TORTURE_DISK_UNDO_LOG_H_

// Writes undo records inside the program that is watched. Where the shim stands in front of a function of the C
// library, it makes the system call.

#include <mutex>
#include <string>

#include "tests/torture/disk/undo_record.h"

namespace pivot {

class UndoLog {
 public:
  /// Appends to a file that must not be below the watched folder but on the same disk; beside it the folder PATH.aside
  /// keeps what was removed.
  explicit UndoLog(const std::string& path);

  bool is_on() const { return fd_ >= 0; }
  /// One change at a time: held from the look at what was there to the record of what was done.
  std::mutex& mutex() { return mutex_; }

  /// What a write or truncation is about to replace.
  struct Before {
    UndoRecord record;
    std::string bytes;
  };
  Before LookAt(int fd, int64_t offset, int64_t size) const;
  /// At a whole file; all zero when there is none.
  Before LookAt(const std::string& path) const;
  void Wrote(Before before, const void* bytes, size_t size) const;
  void Truncated(Before before, int64_t new_size) const;
  void Synced(int fd) const;
  /// kCreate or kMakeFolder.
  void Made(Change change, const std::string& path) const;

  /// Before the change; Failed() if it does not come about.
  void WillRename(const std::string& from, const std::string& to);
  void WillUnlink(const std::string& path);
  void Failed() const;
  /// rmdir, but for the folder that stays, with another name.
  int RemoveFolder(const std::string& path);

 private:
  struct Texts {
    std::string name;
    std::string second;
    std::string aside;
    std::string old_bytes;
  };

  std::string NewAside();
  /// A second name for a file that is about to lose one; empty when it is none.
  std::string KeepAside(const std::string& path);
  void Append(UndoRecord record, const Texts& texts, const void* new_bytes = nullptr) const;

  std::mutex mutex_;
  int fd_ = -1;
  std::string aside_;
  int num_aside_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_DISK_UNDO_LOG_H_
