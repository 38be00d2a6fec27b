// SPDX-License-Identifier: Apache-2.0
#include "client/pull.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pivot/v1/checkpoints.grpc.pb.h"

#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

absl::Status CheckDiskSpace(const std::string& folder, int64_t needed_bytes) {
  struct statvfs info{};
  if (statvfs(folder.c_str(), &info) != 0) return StatusFromErrno(errno, "cannot measure the free space of", folder);
  const auto free_bytes = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
  if (free_bytes >= needed_bytes) return absl::OkStatus();
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("the disk of ", folder, " has ", free_bytes,
                                                              " bytes free and the checkpoint needs ", needed_bytes,
                                                              ": make room or choose a folder on another disk")),
                    "DISK_FULL");
}

/// A folder of somebody else's must not be mixed with a checkpoint.
absl::Status CheckNothingForeign(const std::string& folder, const ManifestData& manifest) {
  std::set<std::string> ours = {kManifestPath, absl::StrCat(kManifestPath, ".part")};
  for (const ManifestFile& file : manifest.files) ours.insert({file.path, file.path + ".part"});
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(folder, error);
  if (error) return StatusFromErrno(error.value(), "cannot read", folder);
  for (; entries != std::filesystem::end(entries); entries.increment(error)) {
    if (error) return StatusFromErrno(error.value(), "cannot read", folder);
    const bool is_folder = entries->is_directory(error) && !entries->is_symlink(error);
    const std::string path = entries->path().lexically_relative(folder).string();
    if (!is_folder && !ours.contains(path)) {
      return WithReason(
          absl::FailedPreconditionError(absl::StrCat(folder, " holds ", path, ", which is not part of this ",
                                                     "checkpoint: choose an empty folder or a new name")),
          "FOLDER_NOT_EMPTY");
    }
  }
  return absl::OkStatus();
}

class Pull {
 public:
  Pull(const Connection& connection, const std::string& checkpoint, const std::string& folder,
       const PullOptions& options)
      : connection_(connection), checkpoint_(checkpoint), folder_(folder), options_(options) {}

  absl::StatusOr<PullSummary> Run() {
    PIVOT_ASSIGN_OR_RETURN(manifest_, GetManifest(connection_, checkpoint_, {.stop = options_.fetch.stop}));
    PIVOT_RETURN_IF_ERROR(MakeFolders(folder_));
    PIVOT_RETURN_IF_ERROR(CheckNothingForeign(folder_, manifest_.data));
    const std::vector<bool> kept =
        FindIntact(folder_, manifest_.data.files, [this] { return options_.fetch.stop.stop_requested(); });
    if (options_.fetch.stop.stop_requested()) return Interrupted();
    std::vector<const ManifestFile*> missing;
    for (size_t i = 0; i < kept.size(); ++i) {
      const ManifestFile& file = manifest_.data.files[i];
      total_bytes_ += file.size;
      if (kept[i]) kept_bytes_ += file.size;
      if (!kept[i]) missing.push_back(&file);
    }
    done_bytes_ = kept_bytes_;
    if (!missing.empty()) PIVOT_RETURN_IF_ERROR(FetchAll(missing));
    PIVOT_RETURN_IF_ERROR(WriteManifest());
    return PullSummary{
        .manifest = std::move(manifest_.data), .fetched_bytes = done_bytes_ - kept_bytes_, .kept_bytes = kept_bytes_};
  }

 private:
  absl::Status FetchAll(const std::vector<const ManifestFile*>& missing) {
    PIVOT_RETURN_IF_ERROR(CheckDiskSpace(folder_, total_bytes_ - kept_bytes_ + options_.spare_bytes));
    // Until the new one is written the folder is not a checkpoint, and must not look like one.
    PIVOT_ASSIGN_OR_RETURN(const Place manifest_place, PlaceBeneath(folder_, kManifestPath));
    unlinkat(manifest_place.folder.get(), manifest_place.name.c_str(), 0);
    for (const ManifestFile* file : missing) PIVOT_RETURN_IF_ERROR(FetchOne(*file));
    return absl::OkStatus();
  }

  absl::Status FetchOne(const ManifestFile& file) {
    PIVOT_ASSIGN_OR_RETURN(const Place place, PlaceBeneath(folder_, file.path));
    FetchOptions fetch = options_.fetch;
    fetch.on_progress = [this, &file](int64_t verified_bytes) {
      if (options_.on_progress) options_.on_progress({done_bytes_ + verified_bytes, total_bytes_, file.path});
    };
    PIVOT_RETURN_IF_ERROR(FetchFile(connection_, checkpoint_, file, place, fetch));
    done_bytes_ += file.size;
    return absl::OkStatus();
  }

  absl::Status WriteManifest() const {
    PIVOT_RETURN_IF_ERROR(PlaceBeneath(folder_, kManifestPath).status());
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(absl::StrCat(folder_, "/", kManifestPath), manifest_.text));
    return SyncFolder(folder_);
  }

  const Connection& connection_;
  const std::string& checkpoint_;
  const std::string& folder_;
  const PullOptions& options_;
  FetchedManifest manifest_;
  int64_t total_bytes_ = 0;
  int64_t kept_bytes_ = 0;
  int64_t done_bytes_ = 0;
};

}  // namespace

absl::StatusOr<FetchedManifest> GetManifest(const Connection& connection, const std::string& checkpoint,
                                            const CallLimits& limits) {
  v1::GetManifestRequest request;
  request.set_name(checkpoint);
  v1::Manifest manifest;
  PIVOT_RETURN_IF_ERROR(MakeCall(connection, limits, [&](grpc::ClientContext* context) {
    return v1::Checkpoints::NewStub(connection.control)->GetManifest(context, request, &manifest);
  }));
  if (Sha256Of(manifest.json()) != manifest.sha256()) {
    return WithReason(absl::DataLossError(absl::StrCat("the manifest of ", checkpoint, " arrived damaged")),
                      "CHECKSUM_MISMATCH");
  }
  PIVOT_ASSIGN_OR_RETURN(ManifestData data, ManifestFromJson(manifest.json()));
  const bool lists_itself = std::any_of(data.files.begin(), data.files.end(),
                                        [](const ManifestFile& file) { return file.path == kManifestPath; });
  if (lists_itself) return absl::DataLossError(absl::StrCat("the manifest of ", checkpoint, " lists itself"));
  return FetchedManifest{std::move(data), std::move(*manifest.mutable_json())};
}

absl::StatusOr<PullSummary> PullCheckpoint(const Connection& connection, const std::string& checkpoint,
                                           const std::string& folder, const PullOptions& options) {
  return Pull(connection, checkpoint, folder, options).Run();
}

absl::Status PullFile(const Connection& connection, const std::string& checkpoint, const std::string& path,
                      const std::string& destination, const PullOptions& options) {
  PIVOT_ASSIGN_OR_RETURN(const FetchedManifest manifest,
                         GetManifest(connection, checkpoint, {.stop = options.fetch.stop}));
  for (const ManifestFile& file : manifest.data.files) {
    if (file.path != path) continue;
    PIVOT_ASSIGN_OR_RETURN(const Place place, PlaceOf(destination));
    FetchOptions fetch = options.fetch;
    fetch.on_progress = [&](int64_t verified_bytes) {
      if (options.on_progress) options.on_progress({verified_bytes, file.size, path});
    };
    return FetchFile(connection, checkpoint, file, place, fetch);
  }
  return absl::NotFoundError(absl::StrCat(checkpoint, " has no file ", path));
}

}  // namespace pivot::client
