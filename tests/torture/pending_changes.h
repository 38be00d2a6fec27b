// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_PENDING_CHANGES_H_
#define PIVOT_TESTS_TORTURE_PENDING_CHANGES_H_

// What a program did to its files (disk/undo_record.h), and what of it no sync has followed.

#include <cstddef>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/torture/disk/undo_record.h"

namespace pivot {

struct LoggedChange {
  UndoRecord record;
  std::string name;
  std::string second;
  std::string aside;
  std::string old_bytes;
  std::string new_bytes;
};

/// Without those that failed. Of the last it is not known whether it came about.
std::vector<LoggedChange> ReadChanges(const std::string& undo_file);

/// How much of what was not synced is lost. What is left of kSome is any part of the writes, cut at sectors, and of
/// each folder's changes of names those before some moment.
enum class Loss { kAll, kSome };

class PendingChanges {
 public:
  explicit PendingChanges(std::vector<LoggedChange> changes);

  /// Writes and truncations that are not synced, by inode, oldest first.
  const std::map<ino_t, std::vector<LoggedChange>>& data() const { return data_; }

  /// Changes of names to undo, newest first. A sync of a folder keeps all earlier ones in it. A rename is kept with the
  /// folder to which it leads; with the other one alone, what was renamed is gone. What happened in a folder before it
  /// was removed for good is kept.
  std::vector<LoggedChange> ChooseNames(Loss loss, std::mt19937_64& random) const;

  bool WasSynced(ino_t inode) const { return synced_.contains(inode); }
  bool WasMade(ino_t inode) const { return made_.contains(inode); }
  /// Whether a name of it was made, moved or removed.
  bool WasNamed(ino_t inode) const { return named_.contains(inode); }

 private:
  void Take(LoggedChange change);
  /// Of something that was removed where nobody saw it.
  void ForgetNumber(ino_t inode);

  std::map<ino_t, std::vector<LoggedChange>> data_;
  std::vector<LoggedChange> names_;
  std::map<ino_t, size_t> kept_;  // how many of all changes of names, as far as they are of this folder
  std::set<ino_t> synced_;
  std::set<ino_t> made_;
  std::set<ino_t> named_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_PENDING_CHANGES_H_
