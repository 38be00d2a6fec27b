// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/recovery.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/log.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return StatusFromErrno(error.value(), "cannot read", folder);
  return names;
}

absl::Status RemoveOrphans(Store& store, const DataFolder& data) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> published, store.ReadObjects());
  const absl::flat_hash_set<std::string> known(published.begin(), published.end());
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> found, NamesIn(data.objects()));
  for (const std::string& name : found) {
    if (known.contains(name)) continue;
    Log(Severity::kWarning, "orphan_removed", {{"object", name}});
    PIVOT_RETURN_IF_ERROR(RemoveAll(data.object(name)));
  }
  return absl::OkStatus();
}

/// A job that succeeded took what it needed, and after it nobody can go on from there.
bool IsNeeded(const std::vector<StagingUse>& uses) {
  const bool succeeded =
      std::any_of(uses.begin(), uses.end(), [](const StagingUse& use) { return use.state == v1::STATE_SUCCEEDED; });
  return std::any_of(uses.begin(), uses.end(), [succeeded](const StagingUse& use) {
    return !IsTerminal(use.state) || (use.can_be_resumed && !succeeded);
  });
}

}  // namespace

absl::Status TidyStaging(Store& store, const DataFolder& data, const std::string& staging_uid) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<StagingUse> uses, store.ReadStagingUses(staging_uid));
  return IsNeeded(uses) ? absl::OkStatus() : RemoveAll(data.staging(staging_uid));
}

absl::Status Recover(Store& store, const DataFolder& data) {
  PIVOT_ASSIGN_OR_RETURN(const int lost, store.EndLostAttempts());
  if (lost > 0) Log(Severity::kWarning, "lost_attempts_ended", {{"count", lost}});
  PIVOT_RETURN_IF_ERROR(RemoveOrphans(store, data));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> staging, NamesIn(data.staging()));
  for (const std::string& uid : staging) PIVOT_RETURN_IF_ERROR(TidyStaging(store, data, uid));
  return absl::OkStatus();
}

}  // namespace pivot
