// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_FOUND_FILES_H_
#define PIVOT_TESTS_TORTURE_FOUND_FILES_H_

// Where files and folders are, by inode, while names are taken back.

#include <map>
#include <string>
#include <sys/types.h>

namespace pivot {

class FoundFiles {
 public:
  /// All below `folder`, and itself.
  explicit FoundFiles(const std::string& folder);

  /// One path of each, as far as folders have not been moved since.
  const std::map<ino_t, std::string>& paths() const { return paths_; }
  /// Empty: it is not there.
  std::string PathOf(ino_t inode) const;
  /// The path that a name in a folder has; empty when there is no such folder.
  std::string PathIn(ino_t folder, const std::string& name) const;
  bool Holds(ino_t folder, const std::string& name, ino_t inode) const;

  /// Renames, in place of what may be there.
  void Move(const std::string& from, const std::string& to);
  void Remove(const std::string& path);

 private:
  std::map<ino_t, std::string> paths_;
};

/// 0: there is none.
ino_t InodeAt(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_FOUND_FILES_H_
