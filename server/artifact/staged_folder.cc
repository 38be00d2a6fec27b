// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/staged_folder.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/crash_point.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/process/unique_fd.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kSchema = 1;
constexpr size_t kMaxFiles = 10000;
// Hashing is what publishing takes its time for; more threads would take it from the jobs.
constexpr unsigned kMaxHashThreads = 4;

absl::Status BadFolder(absl::string_view message) {
  return WithReason(absl::DataLossError(absl::StrCat("the finished folder cannot be published: ", message)),
                    "BAD_STAGED_FOLDER");
}

absl::StatusOr<ListedFile> ParseEntry(const json& entry) {
  const auto path = entry.find("path");
  const auto pieces = entry.find("pieces");
  const bool complete = path != entry.end() && path->is_string() && pieces != entry.end() && pieces->is_array();
  if (!complete) return BadFolder("its list of files has an entry without path or pieces");
  ListedFile file{.path = path->get<std::string>()};
  if (!IsSafeRelativePath(file.path))
    return BadFolder(absl::StrCat("its list of files has the unsafe path \"", file.path, "\""));
  if (file.path == kManifestPath)
    return BadFolder("its list of files names the manifest, which only the server writes");
  for (const json& offset : *pieces) {
    if (!offset.is_number_integer())
      return BadFolder(absl::StrCat("the pieces of ", file.path, " are not whole numbers"));
    file.pieces.push_back(offset.get<int64_t>());
  }
  return file;
}

/// Calls `visit` for everything below a folder; nothing is followed.
absl::Status ForEachEntry(const std::string& folder,
                          const std::function<absl::Status(const fs::directory_entry&)>& visit) {
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    PIVOT_RETURN_IF_ERROR(visit(*entry));
  }
  return error ? StatusFromErrno(error.value(), "cannot read", folder) : absl::OkStatus();
}

absl::Status Seal(const std::string& folder, const std::string& path) {
  const std::string full = absl::StrCat(folder, "/", path);
  // Every part of the path was seen to be a plain folder or file; O_NONBLOCK: a FIFO put in its place must not stop the
  // server.
  const UniqueFd file(open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) return StatusFromErrno(errno, "cannot open", path);
  if (fchmod(file.get(), 0444) != 0) return StatusFromErrno(errno, "cannot make read-only", path);
  PIVOT_CRASH_POINT("seal.made_read_only");
  PIVOT_RETURN_IF_ERROR(SyncFile(file.get(), path));
  PIVOT_CRASH_POINT("seal.synced");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ListedFile>> ParseFileList(absl::string_view text) {
  const json document = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  const auto schema = document.is_object() ? document.find("schema") : document.end();
  const auto entries = document.is_object() ? document.find("files") : document.end();
  const bool complete = document.is_object() && schema != document.end() && schema->is_number_integer() &&
                        entries != document.end() && entries->is_array();
  if (!complete || schema->get<int64_t>() > kSchema)
    return BadFolder("its list of files is not one that this server reads");
  if (entries->empty() || entries->size() > kMaxFiles)
    return BadFolder("its list of files must have 1 to 10000 entries");
  std::vector<ListedFile> files;
  absl::flat_hash_set<std::string> seen;
  for (const json& entry : *entries) {
    PIVOT_ASSIGN_OR_RETURN(ListedFile file, ParseEntry(entry));
    if (!seen.insert(file.path).second) return BadFolder(absl::StrCat("its list of files names ", file.path, " twice"));
    files.push_back(std::move(file));
  }
  return files;
}

absl::Status CheckFolderHoldsOnly(const std::string& folder, absl::Span<const ListedFile> files) {
  absl::flat_hash_set<std::string> listed;
  for (const ListedFile& file : files) listed.insert(file.path);
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(folder, error))) return BadFolder("it is not a folder");
  return ForEachEntry(folder, [&](const fs::directory_entry& entry) -> absl::Status {
    const std::string path = entry.path().lexically_relative(folder).string();
    std::error_code failed;
    const fs::file_type type = entry.symlink_status(failed).type();
    if (type == fs::file_type::directory) return absl::OkStatus();
    if (type != fs::file_type::regular) return BadFolder(absl::StrCat(path, " is not a plain file"));
    if (!listed.contains(path)) return BadFolder(absl::StrCat(path, " is not in its list of files"));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<ManifestFile>> SealAndHash(const std::string& folder, absl::Span<const ListedFile> files,
                                                      const std::function<bool()>& stopped) {
  std::vector<absl::StatusOr<ManifestFile>> results(files.size(), Draining());
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto work = [&] {
    for (size_t i = next++; i < files.size() && !failed && !stopped(); i = next++) {
      const absl::Status sealed = Seal(folder, files[i].path);
      results[i] = sealed.ok() ? HashFile(folder, files[i].path, files[i].pieces) : sealed;
      if (!results[i].ok()) failed = true;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < std::clamp(std::thread::hardware_concurrency(), 1U, kMaxHashThreads); ++i)
      threads.emplace_back(work);
    work();
  }
  // What was given up because another file failed says nothing.
  const auto fault = std::find_if(results.begin(), results.end(), [](const auto& result) {
    return !result.ok() && ReasonOf(result.status()) != "DRAINING";
  });
  if (fault != results.end()) return fault->status();
  std::vector<ManifestFile> hashed;
  for (absl::StatusOr<ManifestFile>& result : results) {
    if (!result.ok()) return result.status();
    hashed.push_back(*std::move(result));
  }
  std::sort(hashed.begin(), hashed.end(), [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  return hashed;
}

absl::Status SyncFolders(const std::string& folder) {
  PIVOT_RETURN_IF_ERROR(ForEachEntry(folder, [](const fs::directory_entry& entry) {
    std::error_code failed;
    return entry.symlink_status(failed).type() == fs::file_type::directory ? SyncFolder(entry.path().string())
                                                                           : absl::OkStatus();
  }));
  return SyncFolder(folder);
}

}  // namespace pivot
