// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_DISK_UNDO_RECORD_H_
#define PIVOT_TESTS_TORTURE_DISK_UNDO_RECORD_H_

// What the shim writes down of a program's changes to its files, so that those which were not synced can be undone
// after its end, as the loss of power would. Files and folders are known by their inodes: what is removed is kept aside
// until then, so that no number is used twice.

#include <cstdint>
#include <sys/types.h>

namespace pivot {

enum class Change : uint32_t {
  kWrite,     // old bytes, new bytes
  kTruncate,  // old bytes from the new size on
  kSync,      // of a file or folder
  kCreate,    // a file came to be
  kMakeFolder,
  kRename,  // name, and `second` the new one; aside, if that had been another file's
  kUnlink,
  kRemoveFolder,
  kFailed,  // the kRename, kUnlink or kRemoveFolder before, which are written down before they are tried
};

/// Followed by name, second, aside, old bytes, new bytes.
struct UndoRecord {
  Change change = Change::kSync;
  uint32_t name_size = 0;
  uint32_t second_size = 0;
  uint32_t aside_size = 0;  // the path at which what lost its name is kept
  uint32_t old_size = 0;
  uint32_t new_size = 0;
  int64_t offset = 0;     // of kWrite; the new size of kTruncate
  int64_t file_size = 0;  // before
  ino_t inode = 0;
  ino_t folder = 0;         // in which the name is
  ino_t second_folder = 0;  // in which the second name is
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_DISK_UNDO_RECORD_H_
