// SPDX-License-Identifier: Apache-2.0
#include "server/data_folder.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/files/crash_point.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

absl::StatusOr<UniqueFd> Lock(const std::string& folder) {
  const std::string path = folder + "/pivotd.lock";
  UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!lock.valid()) return StatusFromErrno(errno, "cannot open", path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return StatusFromErrno(errno, "cannot lock", path);
  return WithReason(absl::FailedPreconditionError(absl::StrCat("another pivotd uses the data folder ", folder,
                                                               "; stop it, or choose another folder with --data")),
                    "DATA_FOLDER_IN_USE");
}

/// The folders whose names of others are new once `path` has been made: its parent, and on from there those that are
/// not there yet, up to the first one that is.
std::vector<std::string> FoldersAbove(const std::string& path) {
  std::vector<std::string> above;
  std::error_code error;
  std::filesystem::path folder = path;
  do {
    folder = folder.parent_path();
    above.push_back(folder.string());
  } while (folder.has_relative_path() && !std::filesystem::exists(folder, error));
  return above;
}

absl::StatusOr<UniqueFd> MakeAndLock(const std::string& path) {
  const std::vector<std::string> above = FoldersAbove(path);
  for (const char* part : {"/objects", "/staging", "/logs"}) PIVOT_RETURN_IF_ERROR(MakeFolders(path + part));
  PIVOT_CRASH_POINT("data_folder.made");
  auto lock = Lock(path);
  if (!lock.ok()) return lock;
  // A folder that is lost with the machine's power would take along all that is synced in it. One that lies where we
  // may not look was made for us by somebody else.
  PIVOT_RETURN_IF_ERROR(SyncFolder(path));
  for (const std::string& folder : above) {
    const absl::Status named = SyncFolder(folder);
    if (!named.ok() && !absl::IsPermissionDenied(named)) return named;
  }
  return lock;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) return StatusFromErrno(error.value(), "cannot use", path);
  if (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  const bool is_new = !std::filesystem::exists(absolute, error);
  auto lock = MakeAndLock(absolute);
  if (!lock.ok()) {
    // Another server may have begun at the same moment, and have it.
    if (is_new && ReasonOf(lock.status()) != "DATA_FOLDER_IN_USE") RemoveAll(absolute).IgnoreError();
    return lock.status();
  }
  return std::unique_ptr<DataFolder>(new DataFolder(absolute, is_new, *std::move(lock)));
}

DataFolder::DataFolder(std::string path, bool is_new, UniqueFd lock)
    : path_(std::move(path)), is_new_(is_new), lock_(std::move(lock)) {}

std::string DataFolder::object(absl::string_view id) const { return absl::StrCat(path_, "/objects/", id); }

std::string DataFolder::staging(absl::string_view staging_uid) const {
  return absl::StrCat(path_, "/staging/", staging_uid);
}

std::string DataFolder::log(absl::string_view job_uid) const { return absl::StrCat(path_, "/logs/", job_uid); }

std::string DataFolder::log(absl::string_view job_uid, int attempt) const {
  return absl::StrCat(log(job_uid), "/", attempt);
}

std::string DataFolder::old_log(absl::string_view job_uid) const { return absl::StrCat(log(job_uid), ".log"); }

int64_t DataFolder::FreeBytes() const {
  struct statvfs info{};
  if (statvfs(path_.c_str(), &info) != 0) return 0;
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

}  // namespace pivot
