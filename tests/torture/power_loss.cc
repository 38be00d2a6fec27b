// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/power_loss.h"

#include <fcntl.h>
#include <filesystem>
#include <map>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "server/process/unique_fd.h"
#include "tests/torture/found_files.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSectorBytes = 512;

void WriteAt(int fd, const std::string& bytes, int64_t offset) {
  EXPECT_EQ(pwrite(fd, bytes.data(), bytes.size(), offset), static_cast<ssize_t>(bytes.size()));
}

void SetSize(int fd, int64_t size) { EXPECT_EQ(ftruncate(fd, size), 0); }

void Undo(int fd, const LoggedChange& change) {
  if (change.record.change == Change::kTruncate) SetSize(fd, change.record.file_size);
  WriteAt(fd, change.old_bytes, change.record.offset);
  if (change.record.change == Change::kWrite) SetSize(fd, change.record.file_size);
}

void Redo(int fd, const LoggedChange& change, std::mt19937_64& random) {
  if (change.record.change == Change::kTruncate) {
    SetSize(fd, change.record.offset);
    return;
  }
  std::string bytes = change.new_bytes;
  if (random() % 4 == 0) bytes.resize(bytes.size() / 2 / kSectorBytes * kSectorBytes);
  WriteAt(fd, bytes, change.record.offset);
}

int LoseWrites(const std::string& path, const std::vector<LoggedChange>& changes, Loss loss, std::mt19937_64& random) {
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(file.valid()) << path;
  if (!file.valid()) return 0;
  for (size_t i = changes.size(); i > 0; --i) Undo(file.get(), changes[i - 1]);
  if (loss == Loss::kAll) return static_cast<int>(changes.size());
  int lost = 0;
  for (const LoggedChange& change : changes) {
    const bool is_lost = random() % 2 == 0;
    lost += is_lost ? 1 : 0;
    if (!is_lost) Redo(file.get(), change, random);
  }
  return lost;
}

void UndoName(const LoggedChange& change, FoundFiles& files) {
  const std::string path = files.PathIn(change.record.folder, change.name);
  if (path.empty()) return;  // another program removed the folder
  switch (change.record.change) {
    case Change::kCreate:
    case Change::kMakeFolder:
      files.Remove(path);
      return;
    case Change::kRename: {
      const std::string second = files.PathIn(change.record.second_folder, change.second);
      if (second.empty()) return;
      files.Move(second, path);
      if (!change.aside.empty()) files.Move(change.aside, second);
      return;
    }
    default:
      if (!change.aside.empty()) files.Move(change.aside, path);
  }
}

/// What was written down before it was tried, when the program was killed in between.
void DropUndone(std::vector<LoggedChange>& changes, const FoundFiles& files) {
  if (changes.empty()) return;
  const LoggedChange& last = changes.back();
  const bool was_announced = last.record.change == Change::kRename || last.record.change == Change::kUnlink ||
                             last.record.change == Change::kRemoveFolder;
  if (was_announced && files.Holds(last.record.folder, last.name, last.record.inode)) changes.pop_back();
}

bool IsLost(Loss loss, std::mt19937_64& random) { return loss == Loss::kAll || random() % 2 == 0; }

/// A worker's file, of which nobody wrote down the changes: all of its data when it never was synced, and its name when
/// its folder never was.
int LoseForeign(ino_t inode, const PendingChanges& pending, FoundFiles& files, Loss loss, std::mt19937_64& random) {
  const std::string path = files.PathOf(inode);
  int lost = 0;
  std::error_code error;
  if (fs::is_regular_file(fs::symlink_status(path, error)) && !pending.WasSynced(inode) && IsLost(loss, random)) {
    fs::resize_file(path, loss == Loss::kAll ? 0 : random() % (fs::file_size(path) + 1));
    ++lost;
  }
  const ino_t folder = InodeAt(fs::path(path).parent_path());
  if (!pending.WasSynced(folder) && !pending.WasNamed(inode) && IsLost(loss, random)) {
    files.Remove(path);
    ++lost;
  }
  return lost;
}

}  // namespace

LossyDisk::LossyDisk(std::string undo_file, std::string folder)
    : undo_file_(std::move(undo_file)), folder_(std::move(folder)) {}

LostChanges LossyDisk::LosePower(Loss loss, std::mt19937_64& random) {
  const std::string around = fs::path(folder_).parent_path();
  FoundFiles files(around);
  std::vector<LoggedChange> changes = ReadChanges(undo_file_);
  DropUndone(changes, files);
  const PendingChanges pending(std::move(changes));
  LostChanges lost;
  for (const auto& [inode, writes] : pending.data()) {
    const std::string path = files.PathOf(inode);
    if (!path.empty()) lost.writes += LoseWrites(path, writes, loss, random);
  }
  for (const ino_t inode : ForeignOf(files, pending)) {
    // It may be gone with its folder.
    if (!files.PathOf(inode).empty()) lost.foreign += LoseForeign(inode, pending, files, loss, random);
  }
  for (const LoggedChange& change : pending.ChooseNames(loss, random)) {
    UndoName(change, files);
    ++lost.names;
  }
  fs::remove(undo_file_);
  fs::remove_all(undo_file_ + ".aside");
  durable_.clear();
  const FoundFiles left(around);
  for (const auto& [inode, path] : left.paths()) durable_.insert(inode);
  return lost;
}

std::vector<ino_t> LossyDisk::ForeignOf(const FoundFiles& files, const PendingChanges& pending) const {
  std::vector<ino_t> foreign;
  for (const auto& [inode, path] : files.paths()) {
    if (absl::StartsWith(path, folder_ + "/") && !durable_.contains(inode) && !pending.WasMade(inode))
      foreign.push_back(inode);
  }
  return foreign;
}

}  // namespace pivot
