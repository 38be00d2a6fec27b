// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/power_loss.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "server/process/unique_fd.h"
#include "tests/torture/disk/undo_record.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSectorBytes = 512;

struct Entry {
  UndoRecord record;
  std::string path;
  std::string second;
  std::string old_bytes;
  std::string new_bytes;
};

std::vector<Entry> ReadEntries(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<Entry> entries;
  size_t at = 0;
  const auto take = [&](size_t size) { return text.substr(std::exchange(at, at + size), size); };
  while (at + sizeof(UndoRecord) <= text.size()) {
    Entry entry;
    std::memcpy(&entry.record, text.data() + at, sizeof(UndoRecord));
    at += sizeof(UndoRecord);
    entry.path = take(entry.record.path_size);
    entry.second = take(entry.record.second_size);
    entry.old_bytes = take(entry.record.old_size);
    entry.new_bytes = take(entry.record.new_size);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string ParentOf(const std::string& path) { return fs::path(path).parent_path().string(); }

/// What is on its way to the disk.
class Pending {
 public:
  void Take(Entry entry) {
    switch (entry.record.change) {
      case Change::kSync:
        data_.erase(entry.record.inode);
        FolderSynced(entry.path);
        return;
      case Change::kWrite:
      case Change::kTruncate:
        data_[entry.record.inode].push_back(std::move(entry));
        return;
      case Change::kCreate:
        data_.erase(entry.record.inode);  // the number of a file that is gone
        [[fallthrough]];
      default:
        names_.push_back(std::move(entry));
    }
  }

  std::map<ino_t, std::vector<Entry>>& data() { return data_; }
  std::vector<Entry>& names() { return names_; }

 private:
  void FolderSynced(const std::string& folder) {
    for (size_t i = 0; i < names_.size();) {
      const bool is_synced = ParentOf(names_[i].path) == folder ||
                             (names_[i].record.change == Change::kRename && ParentOf(names_[i].second) == folder);
      if (!is_synced) {
        ++i;
        continue;
      }
      if (names_[i].record.change == Change::kRename) MoveEarlier(i);
      if (names_[i].record.change == Change::kRemoveFolder) i -= ForgetWithin(i);
      names_.erase(names_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  /// What happened in a folder before it was renamed for good has happened in the new one.
  void MoveEarlier(size_t rename) {
    const std::string before = names_[rename].path + "/";
    for (size_t i = 0; i < rename; ++i) {
      if (absl::StartsWith(names_[i].path, before))
        names_[i].path = absl::StrCat(names_[rename].second, "/", names_[i].path.substr(before.size()));
    }
  }

  /// What happened in a folder that is gone for good cannot be undone. How many of the entries before this one.
  size_t ForgetWithin(size_t removal) {
    const std::string within = names_[removal].path + "/";
    const auto end = names_.begin() + static_cast<std::ptrdiff_t>(removal);
    const auto kept = std::remove_if(names_.begin(), end, [&](const Entry& entry) {
      return absl::StartsWith(entry.path, within) || absl::StartsWith(entry.second, within);
    });
    const auto forgotten = static_cast<size_t>(end - kept);
    names_.erase(kept, end);
    return forgotten;
  }

  std::map<ino_t, std::vector<Entry>> data_;
  std::vector<Entry> names_;
};

std::map<ino_t, std::string> FindInodes(const std::vector<std::string>& folders) {
  std::map<ino_t, std::string> paths;
  for (const std::string& folder : folders) {
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      struct stat info{};
      if (lstat(entry->path().c_str(), &info) == 0) paths[info.st_ino] = entry->path().string();
    }
  }
  return paths;
}

void WriteAt(int fd, const std::string& bytes, int64_t offset) {
  EXPECT_EQ(pwrite(fd, bytes.data(), bytes.size(), offset), static_cast<ssize_t>(bytes.size()));
}

void SetSize(int fd, int64_t size) { EXPECT_EQ(ftruncate(fd, size), 0); }

void Undo(int fd, const Entry& entry) {
  if (entry.record.change == Change::kTruncate) SetSize(fd, entry.record.file_size);
  WriteAt(fd, entry.old_bytes, entry.record.offset);
  if (entry.record.change == Change::kWrite) SetSize(fd, entry.record.file_size);
}

void Redo(int fd, const Entry& entry, std::mt19937_64& random) {
  if (entry.record.change == Change::kTruncate) {
    SetSize(fd, entry.record.offset);
    return;
  }
  std::string bytes = entry.new_bytes;
  if (random() % 4 == 0) bytes.resize(bytes.size() / 2 / kSectorBytes * kSectorBytes);
  WriteAt(fd, bytes, entry.record.offset);
}

int LoseWrites(const std::string& path, const std::vector<Entry>& entries, Loss loss, std::mt19937_64& random) {
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(file.valid()) << path;
  if (!file.valid()) return 0;
  for (size_t i = entries.size(); i > 0; --i) Undo(file.get(), entries[i - 1]);
  if (loss == Loss::kAll) return static_cast<int>(entries.size());
  int lost = 0;
  for (const Entry& entry : entries) {
    const bool is_lost = random() % 2 == 0;
    lost += is_lost ? 1 : 0;
    if (!is_lost) Redo(file.get(), entry, random);
  }
  return lost;
}

void UndoName(const Entry& entry) {
  std::error_code error;
  switch (entry.record.change) {
    case Change::kCreate:
    case Change::kMakeFolder:
      fs::remove_all(entry.path, error);
      break;
    case Change::kRename:
      fs::rename(entry.second, entry.path, error);
      break;
    case Change::kUnlink:
      if (!entry.second.empty()) fs::rename(entry.second, entry.path, error);
      break;
    default:
      fs::create_directory(entry.path, error);
  }
  EXPECT_FALSE(error) << entry.path << ": " << error.message();
}

}  // namespace

LostChanges LosePower(const std::string& undo_file, const std::string& folder, Loss loss, std::mt19937_64& random) {
  Pending pending;
  for (Entry& entry : ReadEntries(undo_file)) pending.Take(std::move(entry));
  LostChanges lost;
  const std::map<ino_t, std::string> paths = FindInodes({folder, undo_file + ".aside"});
  for (const auto& [inode, entries] : pending.data()) {
    const auto path = paths.find(inode);
    if (path != paths.end()) lost.writes += LoseWrites(path->second, entries, loss, random);
  }
  std::vector<Entry>& names = pending.names();
  const size_t kept = loss == Loss::kAll ? 0 : random() % (names.size() + 1);
  for (size_t i = names.size(); i > kept; --i) UndoName(names[i - 1]);
  lost.names = static_cast<int>(names.size() - kept);
  fs::remove(undo_file);
  fs::remove_all(undo_file + ".aside");
  return lost;
}

}  // namespace pivot
