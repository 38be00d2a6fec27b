// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_HUB_CACHE_H_
#define PIVOT_SOURCES_HUB_HUB_CACHE_H_

// The folders of one repository in a cache that huggingface_hub shares with us:
//   CACHE/models--ORG--NAME/{blobs/ETAG, refs/REVISION, snapshots/COMMIT/FILE -> ../../blobs/ETAG}
// Source: huggingface_hub's file_download.py (2.4) and its page "Understand caching".

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pivot::hub {

/// A file of a snapshot and the blob that holds it.
struct CachedFile {
  std::string path;
  std::string etag;
  int64_t bytes = 0;
};

class HubCache {
 public:
  HubCache(std::string cache, const std::string& repo);

  const std::string& folder() const { return folder_; }
  std::string BlobPath(const std::string& etag) const;
  /// What of a blob has arrived so far: always its first bytes, so that whoever goes on may append.
  std::string IncompletePath(const std::string& etag) const;
  /// The file whose lock (flock) huggingface_hub and we take while a blob is fetched.
  std::string LockPath(const std::string& etag) const;
  std::string SnapshotPath(const std::string& commit) const;

  /// The commit that refs/REVISION names, or the revision itself if it is one.
  std::optional<std::string> CommitOf(const std::string& revision) const;

  /// Whether the blob is there with this size.
  bool HasBlob(const std::string& etag, int64_t bytes) const;

  /// Makes blobs/, the folder of locks, and the tag by which backup programs know a cache.
  absl::Status MakeFolders() const;

  /// Links all files into the snapshot. A snapshot that is not there yet appears at once with all of them; one that is
  /// there gets what it lacks, config.json last. All blobs must be there.
  absl::Status LinkSnapshot(const std::string& commit, const std::vector<CachedFile>& files) const;

  /// Lets refs/REVISION name the commit.
  absl::Status WriteRef(const std::string& revision, const std::string& commit) const;

 private:
  absl::Status MakeSnapshot(const std::string& commit, const std::vector<CachedFile>& files) const;
  absl::Status CompleteSnapshot(const std::string& commit, std::vector<CachedFile> files) const;

  std::string cache_;
  std::string name_;    // models--ORG--NAME
  std::string folder_;  // cache_/name_
};

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_HUB_CACHE_H_
