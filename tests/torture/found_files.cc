// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/found_files.h"

#include <filesystem>
#include <sys/stat.h>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pivot {

namespace fs = std::filesystem;

ino_t InodeAt(const std::string& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

FoundFiles::FoundFiles(const std::string& folder) {
  paths_[InodeAt(folder)] = folder;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    paths_[InodeAt(entry->path())] = entry->path().string();
  EXPECT_FALSE(error) << folder << ": " << error.message();
}

std::string FoundFiles::PathOf(ino_t inode) const {
  const auto found = paths_.find(inode);
  return found == paths_.end() ? std::string() : found->second;
}

std::string FoundFiles::PathIn(ino_t folder, const std::string& name) const {
  const std::string path = PathOf(folder);
  return path.empty() ? path : absl::StrCat(path, "/", name);
}

bool FoundFiles::Holds(ino_t folder, const std::string& name, ino_t inode) const {
  const std::string path = PathIn(folder, name);
  return !path.empty() && InodeAt(path) == inode;
}

void FoundFiles::Move(const std::string& from, const std::string& to) {
  Remove(to);
  std::error_code error;
  fs::rename(from, to, error);
  EXPECT_FALSE(error) << from << " to " << to << ": " << error.message();
  const std::string within = from + "/";
  for (auto& [inode, path] : paths_) {
    if (path == from) path = to;
    if (absl::StartsWith(path, within)) path = absl::StrCat(to, "/", path.substr(within.size()));
  }
}

void FoundFiles::Remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  EXPECT_FALSE(error) << path << ": " << error.message();
  const std::string within = path + "/";
  std::erase_if(paths_,
                [&](const auto& entry) { return entry.second == path || absl::StartsWith(entry.second, within); });
}

}  // namespace pivot
