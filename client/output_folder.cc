// SPDX-License-Identifier: Apache-2.0
#include "client/output_folder.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "client/exit_code.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

namespace fs = std::filesystem;

std::string ParentOf(const std::string& path) { return fs::path(path).parent_path().string(); }

/// The nearest folder above that exists.
std::string ExistingAncestor(const std::string& path) {
  std::error_code error;
  fs::path ancestor = fs::path(path).parent_path();
  while (ancestor.has_relative_path() && !fs::exists(ancestor, error)) ancestor = ancestor.parent_path();
  return ancestor.string();
}

/// For file systems that cannot exchange two names: a moment without the output, but never one with half of it.
absl::Status ReplaceInTwoSteps(const std::string& finished, const std::string& output) {
  const std::string old = finished + ".replaced";
  PIVOT_RETURN_IF_ERROR(RemoveAll(old));
  if (rename(output.c_str(), old.c_str()) != 0) return StatusFromErrno(errno, "cannot move away", output);
  if (rename(finished.c_str(), output.c_str()) != 0) {
    const int error = errno;
    rename(old.c_str(), output.c_str());
    return StatusFromErrno(error, "cannot rename to", output);
  }
  return RemoveAll(old);
}

}  // namespace

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  std::error_code error;
  fs::path absolute = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) return StatusFromErrno(error.value(), "cannot resolve", path);
  if (!absolute.has_filename() && absolute.has_relative_path()) absolute = absolute.parent_path();  // a trailing slash
  return absolute.string();
}

absl::Status CheckOutputFolder(const std::string& folder, const std::string& source, Existing existing) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (folder == "/") return UsageError("the output / cannot be replaced: choose another with -o", "--output");
  if (folder == source || absl::StartsWith(source, folder + "/")) {
    return UsageError(
        absl::StrCat("the output ", folder, " would replace the model at ", source, ": choose another with -o"),
        "--output");
  }
  if (fs::exists(status) && !fs::is_directory(status)) {
    return UsageError(absl::StrCat("the output ", folder, " is a file: choose another name with -o"), "--output");
  }
  if (fs::exists(status) && existing == Existing::kRefuse && !fs::is_empty(folder, error)) {
    return UsageError(absl::StrCat("the output folder ", folder,
                                   " is not empty: add --overwrite to replace it, or choose ", "another with -o"),
                      "--output");
  }
  const std::string ancestor = ExistingAncestor(folder);
  if (!fs::is_directory(ancestor, error)) {
    return UsageError(absl::StrCat("the output ", folder, " cannot be made: ", ancestor, " is a file"), "--output");
  }
  if (access(ancestor.c_str(), W_OK | X_OK) != 0) return StatusFromErrno(errno, "cannot write into", ancestor);
  return absl::OkStatus();
}

std::string WorkFolderOf(const std::string& output) {
  const fs::path path(output);
  return (path.parent_path() / absl::StrCat(".", path.filename().string(), ".pivot")).string();
}

absl::Status PutIntoPlace(const std::string& finished, const std::string& output, Existing existing) {
  std::error_code error;
  if (existing == Existing::kReplace && fs::exists(output, error)) {
    if (renameat2(AT_FDCWD, finished.c_str(), AT_FDCWD, output.c_str(), RENAME_EXCHANGE) == 0) {
      PIVOT_RETURN_IF_ERROR(RemoveAll(finished));
    } else if (errno == EINVAL || errno == ENOSYS) {
      PIVOT_RETURN_IF_ERROR(ReplaceInTwoSteps(finished, output));
    } else {
      return StatusFromErrno(errno, "cannot replace", output);
    }
  } else if (rename(finished.c_str(), output.c_str()) != 0) {  // takes the place of an empty folder, not of a full one
    return StatusFromErrno(errno, "cannot rename the finished folder to", output);
  }
  return SyncFolder(ParentOf(output));
}

}  // namespace pivot::client
