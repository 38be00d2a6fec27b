// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_POWER_LOSS_H_
#define PIVOT_TESTS_TORTURE_POWER_LOSS_H_

// Takes back what a program, and those that it started, did to a folder and did not sync, as the loss of power may.

#include <random>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tests/torture/found_files.h"
#include "tests/torture/pending_changes.h"

namespace pivot {

struct LostChanges {
  int writes = 0;
  int names = 0;
  int foreign = 0;  // files and names of other programs than the one that is watched
};

class LossyDisk {
 public:
  /// A program writes `undo_file` (disk/disk_shim.cc) about `folder`, which lies beside it.
  LossyDisk(std::string undo_file, std::string folder);

  /// After the program has ended. The file is removed.
  LostChanges LosePower(Loss loss, std::mt19937_64& random);

 private:
  std::vector<ino_t> ForeignOf(const FoundFiles& files, const PendingChanges& pending) const;

  const std::string undo_file_;
  const std::string folder_;
  std::set<ino_t> durable_;  // inodes that were there after the last loss
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_POWER_LOSS_H_
