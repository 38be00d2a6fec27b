// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/damaged_shards.h"

#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/files/sha256.h"

namespace pivot {

absl::Status DropDamagedShards(const std::string& shard_folder, Journal& journal,
                               const std::function<void(const std::string&, const std::string&)>& warning) {
  const std::vector<JournalEntry>& entries = journal.entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto found = Sha256OfFile(shard_folder + "/" + entries[i].file);
    if (found.ok() && *found == entries[i].sha256) continue;
    if (warning) {
      warning("SHARD_DAMAGED", absl::StrCat(entries[i].file, " is missing or damaged; block ", i, " is done again"));
    }
    return journal.Truncate(i);
  }
  return absl::OkStatus();
}

}  // namespace pivot
