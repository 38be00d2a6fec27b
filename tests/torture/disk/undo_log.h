// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_DISK_UNDO_LOG_H_
#define PIVOT_TESTS_TORTURE_DISK_UNDO_LOG_H_

// Writes undo records inside the program that is watched. Calls of the C library that it makes are the library's own.

#include <mutex>
#include <string>
#include <vector>

#include "tests/torture/disk/undo_record.h"

namespace pivot {

/// The functions that the shim stands in front of.
struct LibraryCalls {
  ssize_t (*write)(int, const void*, size_t);
  int (*link)(const char*, const char*);
};

class UndoLog {
 public:
  /// Appends to a file that must not be below the watched folder; beside it a folder ASIDE keeps what was unlinked.
  UndoLog(const std::string& path, const LibraryCalls& calls);

  bool is_on() const { return fd_ >= 0; }
  /// One change at a time: held from the look at what was there to the record of what was done.
  std::mutex& mutex() { return mutex_; }

  /// What a write or truncation is about to replace.
  struct Before {
    UndoRecord record;
    std::string path;
    std::string bytes;
  };
  Before LookAt(int fd, int64_t offset, int64_t size) const;
  void Wrote(Before before, const void* bytes, size_t size);
  void Truncated(Before before, int64_t new_size);
  void Synced(int fd);
  void Did(Change change, const std::string& path, const std::string& second = "");
  /// A second name for a file that is about to lose one; empty when there is none.
  std::string KeepAside(const std::string& path);

 private:
  void Append(UndoRecord record, const std::string& path, const std::string& second, const std::string& old_bytes,
              const void* new_bytes) const;

  const LibraryCalls calls_;
  std::mutex mutex_;
  int fd_ = -1;
  std::string aside_;
  int num_aside_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_DISK_UNDO_LOG_H_
