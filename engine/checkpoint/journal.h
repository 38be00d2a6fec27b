// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_JOURNAL_H_
#define PIVOT_ENGINE_CHECKPOINT_JOURNAL_H_

// journal.jsonl of a staging folder: which blocks are finished. docs/format.md describes it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace pivot {

struct JournalEntry {
  std::string stage;
  int block = 0;
  std::string file;  // name below shards/
  int64_t size = 0;
  std::string sha256;
  nlohmann::json record;  // the block's entry of the report
};

/// Appends to one journal. One owner at a time.
class Journal {
 public:
  /// Opens `path` and takes over what it holds if its identity equals the given one; else begins anew. `refused` then
  /// names the first field that differs, and is "" when there was nothing to take over or all was.
  static absl::StatusOr<Journal> Open(const std::string& path, const nlohmann::json& identity, std::string* refused);

  const std::vector<JournalEntry>& entries() const { return entries_; }

  /// Drops the entries from `count` on, because what they speak of is not good; rewrites the file.
  absl::Status Truncate(size_t count);

  /// Appends a line and syncs it. The file that it speaks of must be synced already.
  absl::Status Append(JournalEntry entry);

 private:
  Journal(std::string path, nlohmann::json identity) : path_(std::move(path)), identity_(std::move(identity)) {}
  absl::Status Rewrite() const;

  std::string path_;
  nlohmann::json identity_;
  std::vector<JournalEntry> entries_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_JOURNAL_H_
