// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/pending_changes.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace pivot {
namespace {

size_t SizeBehind(const UndoRecord& record) {
  return size_t{record.name_size} + record.second_size + record.aside_size + record.old_size + record.new_size;
}

/// Of a rename that is kept in the folder from which something went and not in the one to which it came.
void ChooseHalf(const LoggedChange& rename, std::vector<LoggedChange>* chosen) {
  LoggedChange arrival{.record = rename.record, .name = rename.second};
  arrival.record.folder = rename.record.second_folder;
  arrival.record.change = Change::kCreate;
  chosen->push_back(arrival);
  if (rename.aside.empty()) return;
  arrival.aside = rename.aside;
  arrival.record.change = Change::kUnlink;
  chosen->push_back(std::move(arrival));
}

}  // namespace

std::vector<LoggedChange> ReadChanges(const std::string& undo_file) {
  std::ifstream file(undo_file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<LoggedChange> changes;
  size_t at = 0;
  const auto take = [&](size_t size) { return text.substr(std::exchange(at, at + size), size); };
  while (at + sizeof(UndoRecord) <= text.size()) {
    LoggedChange change;
    std::memcpy(&change.record, text.data() + at, sizeof(UndoRecord));
    at += sizeof(UndoRecord);
    if (SizeBehind(change.record) > text.size() - at) break;  // killed within it
    change.name = take(change.record.name_size);
    change.second = take(change.record.second_size);
    change.aside = take(change.record.aside_size);
    change.old_bytes = take(change.record.old_size);
    change.new_bytes = take(change.record.new_size);
    if (change.record.change != Change::kFailed) {
      changes.push_back(std::move(change));
    } else if (!changes.empty()) {
      changes.pop_back();
    }
  }
  return changes;
}

PendingChanges::PendingChanges(std::vector<LoggedChange> changes) {
  for (LoggedChange& change : changes) Take(std::move(change));
}

void PendingChanges::Take(LoggedChange change) {
  const ino_t inode = change.record.inode;
  switch (change.record.change) {
    case Change::kSync:
      data_.erase(inode);
      synced_.insert(inode);
      kept_[inode] = names_.size();
      return;
    case Change::kWrite:
    case Change::kTruncate:
      synced_.erase(inode);
      data_[inode].push_back(std::move(change));
      return;
    case Change::kCreate:
    case Change::kMakeFolder:
      ForgetNumber(inode);
      made_.insert(inode);
      [[fallthrough]];
    default:
      named_.insert(inode);
      names_.push_back(std::move(change));
  }
}

void PendingChanges::ForgetNumber(ino_t inode) {
  data_.erase(inode);
  synced_.erase(inode);
  kept_[inode] = names_.size();
}

std::vector<LoggedChange> PendingChanges::ChooseNames(Loss loss, std::mt19937_64& random) const {
  std::map<ino_t, size_t> kept = kept_;
  const auto keep = [&](ino_t folder, size_t count) { kept[folder] = std::max(kept[folder], count); };
  if (loss == Loss::kSome) {
    std::set<ino_t> folders;
    for (const LoggedChange& change : names_) folders.insert(change.record.folder);
    for (const ino_t folder : folders) keep(folder, random() % (names_.size() + 1));
  }
  std::vector<LoggedChange> chosen;
  for (size_t i = names_.size(); i-- > 0;) {
    const UndoRecord& record = names_[i].record;
    const bool is_rename = record.change == Change::kRename;
    if (i >= kept[is_rename ? record.second_folder : record.folder]) {
      is_rename&& i < kept[record.folder] ? ChooseHalf(names_[i], &chosen) : chosen.push_back(names_[i]);
      continue;
    }
    // Newest first: what this keeps is looked at after it.
    if (is_rename) keep(record.folder, i + 1);
    if (record.change == Change::kRemoveFolder) keep(record.inode, i);
  }
  return chosen;
}

}  // namespace pivot
