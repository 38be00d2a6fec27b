// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/checkpoint_reader.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"
#include "server/errors.h"

namespace pivot {
namespace {

constexpr size_t kMaxManifestBytes = size_t{64} << 20;
constexpr size_t kMaxCachedManifests = 16;

}  // namespace

absl::StatusOr<std::string> CheckpointReader::ReadManifest(const CheckpointRecord& checkpoint) const {
  auto text = ReadSmallFile(absl::StrCat(data_->object(checkpoint.object), "/", kManifestPath), kMaxManifestBytes);
  if (!text.ok() || Sha256Of(*text) != checkpoint.ref.manifest_sha256()) return ChecksumMismatch(kManifestPath);
  return text;
}

absl::StatusOr<OpenFile> CheckpointReader::Open(const CheckpointRecord& checkpoint, absl::string_view path) {
  PIVOT_ASSIGN_OR_RETURN(const auto manifest, LoadManifest(checkpoint));
  const auto entry =
      std::lower_bound(manifest->files.begin(), manifest->files.end(), path,
                       [](const ManifestFile& file, absl::string_view wanted) { return file.path < wanted; });
  if (entry == manifest->files.end() || entry->path != path) return FileNotFound(path, checkpoint.ref.name());
  const std::string full = absl::StrCat(data_->object(checkpoint.object), "/", entry->path);
  OpenFile file{UniqueFd(open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)), entry->size,
                entry->sha256};
  if (!file.fd.valid() && errno != ENOENT) return StatusFromErrno(errno, "cannot open", entry->path);
  struct stat info{};
  const bool intact =
      file.fd.valid() && fstat(file.fd.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == entry->size;
  if (!intact) return ChecksumMismatch(entry->path);
  return file;
}

absl::StatusOr<std::shared_ptr<const ManifestData>> CheckpointReader::LoadManifest(const CheckpointRecord& checkpoint) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [object, manifest] : manifests_) {
      if (object == checkpoint.object) return manifest;
    }
  }
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadManifest(checkpoint));
  PIVOT_ASSIGN_OR_RETURN(ManifestData parsed, ManifestFromJson(text));
  auto manifest = std::make_shared<const ManifestData>(std::move(parsed));
  const std::lock_guard lock(mutex_);
  manifests_.emplace_front(checkpoint.object, manifest);
  if (manifests_.size() > kMaxCachedManifests) manifests_.pop_back();
  return manifest;
}

}  // namespace pivot
