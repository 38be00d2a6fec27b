// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/publisher.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"

#include "proto/files/crash_point.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/log.h"
#include "server/names.h"

namespace pivot {
namespace {

constexpr size_t kMaxListBytes = size_t{16} << 20;

absl::StatusOr<std::vector<ListedFile>> ReadFileList(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_symlink(path, error)) return absl::DataLossError(absl::StrCat(path, " is a link"));
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxListBytes));
  return ParseFileList(text);
}

/// The same fault in words that help: where the server keeps its data is not for clients.
absl::Status Explain(const absl::Status& status, const DataFolder& data) {
  if (ReasonOf(status) == "DISK_FULL") {
    return DiskFull(
        "the server's disk is full: the finished checkpoint could not be written; free some space and resume the job");
  }
  if (IsStateMovedOn(status) || ReasonOf(status) != CodeName(status.code())) return status;
  return WithReason(
      absl::Status(status.code(), absl::StrCat("the finished checkpoint could not be published: ",
                                               absl::StrReplaceAll(status.message(), {{data.path() + "/", ""}}))),
      "PUBLISH_FAILED");
}

}  // namespace

absl::StatusOr<v1::CheckpointRef> Publisher::Publish(const PublishRequest& request) {
  const std::string folder = absl::StrCat(request.staging_folder, "/", request.pivot.directory);
  PIVOT_CRASH_POINT("publish.begin");
  auto existing = store_->ReadCheckpoint(request.key.job_uid, request.pivot.number);
  if (!absl::IsNotFound(existing.status())) {
    RemoveAll(folder).IgnoreError();
    if (!existing.ok()) return Explain(existing.status(), *data_);
    return std::move(existing)->ref;
  }
  auto published = PublishFolder(request, folder);
  PIVOT_CRASH_POINT("publish.decided");
  RemoveAll(absl::StrCat(folder, ".files.json")).IgnoreError();
  PIVOT_CRASH_POINT("publish.list_removed");
  if (published.ok()) return published;
  Log(Severity::kError, "publish_failed",
      {{"job", request.job_name}, {"attempt", request.key.number}, {"message", published.status()}});
  // Blocks that could not be synced would look synced to the next attempt: it must not go on from them.
  RemoveAll(IsSyncFailure(published.status()) ? request.staging_folder : folder).IgnoreError();
  return Explain(published.status(), *data_);
}

absl::StatusOr<v1::CheckpointRef> Publisher::PublishFolder(const PublishRequest& request, const std::string& folder) {
  PIVOT_ASSIGN_OR_RETURN(v1::CheckpointRef ref, WriteManifest(request, folder));
  CheckpointRecord checkpoint{.ref = std::move(ref), .object = NewUid()};
  PIVOT_RETURN_IF_ERROR(Move(request, folder, checkpoint));
  PIVOT_CRASH_POINT("publish.moved");
  const absl::Status added = store_->AddCheckpoint(request.key, checkpoint);
  if (added.ok()) return checkpoint.ref;
  RemoveAll(data_->object(checkpoint.object)).IgnoreError();
  return added;
}

absl::StatusOr<v1::CheckpointRef> Publisher::WriteManifest(const PublishRequest& request, const std::string& folder) {
  const StagedPivot& pivot = request.pivot;
  PIVOT_ASSIGN_OR_RETURN(const std::vector<ListedFile> files, ReadFileList(folder + ".files.json"));
  PIVOT_RETURN_IF_ERROR(CheckFolderHoldsOnly(folder, files));
  PIVOT_CRASH_POINT("publish.looked_at");
  ManifestData manifest{.job = request.job_name,
                        .uid = request.key.job_uid,
                        .pivot = pivot.number,
                        .attempt = request.key.number,
                        .source_name = pivot.source_name,
                        .source_digest = pivot.source_digest};
  PIVOT_ASSIGN_OR_RETURN(manifest.files, SealAndHash(folder, files, [this] { return stopped_.load(); }));
  PIVOT_CRASH_POINT("publish.hashed");
  manifest.content_sha256 = ContentSha256(manifest.files);
  const std::string text = ManifestToJson(manifest);
  const std::string path = absl::StrCat(folder, "/", kManifestPath);
  PIVOT_RETURN_IF_ERROR(MakeFolders(std::filesystem::path(path).parent_path().string()));
  PIVOT_CRASH_POINT("publish.manifest_folder_made");
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(path, text));
  PIVOT_CRASH_POINT("publish.manifest_written");
  if (chmod(path.c_str(), 0444) != 0) return StatusFromErrno(errno, "cannot make read-only", kManifestPath);

  v1::CheckpointRef ref;
  ref.set_name(FormatCheckpointName(request.job_name, pivot.number));
  ref.set_number(pivot.number);
  ref.set_bytes(static_cast<int64_t>(text.size()));
  for (const ManifestFile& file : manifest.files) ref.set_bytes(ref.bytes() + file.size);
  ref.set_bits_per_weight(pivot.bits_per_weight);
  ref.set_model_bits_per_weight(pivot.model_bits_per_weight);
  ref.set_manifest_sha256(Sha256Of(text));
  ref.set_content_sha256(manifest.content_sha256);
  if (pivot.quality.has_value()) *ref.mutable_quality() = *pivot.quality;
  *ref.mutable_create_time() = ToTimestamp(absl::ToUnixMicros(absl::Now()));
  ref.set_seconds(pivot.seconds);
  return ref;
}

absl::Status Publisher::Move(const PublishRequest& request, const std::string& folder,
                             const CheckpointRecord& checkpoint) {
  if (stopped_) return Draining();
  PIVOT_RETURN_IF_ERROR(SyncFolders(folder));
  PIVOT_CRASH_POINT("publish.folders_synced");
  const std::string object = data_->object(checkpoint.object);
  if (rename(folder.c_str(), object.c_str()) != 0) return StatusFromErrno(errno, "cannot move to", object);
  PIVOT_CRASH_POINT("publish.renamed");
  absl::Status synced = SyncFolder(data_->objects());
  PIVOT_CRASH_POINT("publish.objects_synced");
  synced.Update(SyncFolder(request.staging_folder));
  // Not visible to anybody yet: the store's commit is what publishes.
  if (!synced.ok()) RemoveAll(object).IgnoreError();
  return synced;
}

}  // namespace pivot
