// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/recovery.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/strip.h"

#include "proto/files/crash_point.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/log.h"
#include "server/names.h"
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
    PIVOT_CRASH_POINT("recover.orphan_found");
    PIVOT_RETURN_IF_ERROR(RemoveAll(data.object(name)));
    PIVOT_CRASH_POINT("recover.orphan_removed");
  }
  return absl::OkStatus();
}

/// Of a job that was deleted just before the server ended.
absl::Status RemoveOrphanLogs(Store& store, const DataFolder& data) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> found, NamesIn(data.logs()));
  for (const std::string& name : found) {
    const absl::string_view uid = absl::StripSuffix(name, ".log");
    if (!absl::IsNotFound(store.ReadJobHead(uid).status())) continue;
    PIVOT_RETURN_IF_ERROR(RemoveAll(data.logs() + "/" + name));
    PIVOT_CRASH_POINT("recover.orphan_log_removed");
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
  std::string aside;
  PIVOT_RETURN_IF_ERROR(store.WithStagingUses(staging_uid, [&](const std::vector<StagingUse>& uses) -> absl::Status {
    if (IsNeeded(uses)) return absl::OkStatus();
    // Removing takes time, in which a job may be retried: its worker then finds a folder of its own.
    aside = data.staging(NewUid());
    const std::string folder = data.staging(staging_uid);
    PIVOT_CRASH_POINT("tidy.before_rename");
    if (rename(folder.c_str(), aside.c_str()) == 0) return absl::OkStatus();
    aside.clear();
    return errno == ENOENT ? absl::OkStatus() : StatusFromErrno(errno, "cannot move aside", folder);
  }));
  if (aside.empty()) return absl::OkStatus();
  PIVOT_CRASH_POINT("tidy.moved_aside");
  const absl::Status removed = RemoveAll(aside);
  PIVOT_CRASH_POINT("tidy.removed");
  return removed;
}

absl::Status RemoveFilesOf(const DeletedJob& deleted, Store& store, const DataFolder& data) {
  PIVOT_CRASH_POINT("delete.begin");
  absl::Status status;
  for (const std::string& object : deleted.objects) status.Update(RemoveAll(data.object(object)));
  PIVOT_CRASH_POINT("delete.objects_removed");
  status.Update(RemoveAll(data.log(deleted.uid)));
  PIVOT_CRASH_POINT("delete.log_removed");
  status.Update(RemoveAll(data.old_log(deleted.uid)));
  status.Update(TidyStaging(store, data, deleted.staging_uid));
  return status;
}

void RemoveFilesLater(DeletedJob deleted, Store* store, const DataFolder* data, Executor* executor) {
  executor->Post([store, data, deleted = std::move(deleted)] {
    const absl::Status status = RemoveFilesOf(deleted, *store, *data);
    if (!status.ok()) Log(Severity::kWarning, "files_not_removed", {{"uid", deleted.uid}, {"message", status}});
  });
}

void TidyLater(std::string staging_uid, Store* store, const DataFolder* data, Executor* executor) {
  executor->Post([store, data, staging_uid = std::move(staging_uid)] {
    const absl::Status status = TidyStaging(*store, *data, staging_uid);
    if (!status.ok()) Log(Severity::kWarning, "staging_not_removed", {{"uid", staging_uid}, {"message", status}});
  });
}

absl::Status Recover(Store& store, const DataFolder& data) {
  PIVOT_ASSIGN_OR_RETURN(const int lost, store.EndLostAttempts());
  if (lost > 0) Log(Severity::kWarning, "lost_attempts_ended", {{"count", lost}});
  PIVOT_CRASH_POINT("recover.attempts_ended");
  PIVOT_RETURN_IF_ERROR(RemoveOrphans(store, data));
  PIVOT_RETURN_IF_ERROR(RemoveOrphanLogs(store, data));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> staging, NamesIn(data.staging()));
  for (const std::string& uid : staging) PIVOT_RETURN_IF_ERROR(TidyStaging(store, data, uid));
  PIVOT_CRASH_POINT("recover.done");
  return absl::OkStatus();
}

}  // namespace pivot
