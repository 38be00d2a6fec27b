// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_cache.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "proto/files/durable_file.h"
#include "proto/source/hub_name.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

namespace fs = std::filesystem;

constexpr char kCacheTag[] =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a cache folder: https://bford.info/cachedir/\n";
constexpr size_t kMaxRefBytes = 256;

bool IsFileOf(const std::string& path, int64_t bytes) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == bytes;
}

/// A link at `path`, in place of whatever lies there.
absl::Status PutLink(const std::string& target, const std::string& path) {
  const std::string fresh = absl::StrCat(path, ".", getpid(), ".tmp");
  unlink(fresh.c_str());
  if (symlink(target.c_str(), fresh.c_str()) != 0) return StatusFromErrno(errno, "cannot link", fresh);
  if (rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  unlink(fresh.c_str());
  return StatusFromErrno(error, "cannot link", path);
}

/// The way from snapshots/COMMIT/FILE to the blob.
std::string LinkTarget(const CachedFile& file) {
  const auto depth = std::count(file.path.begin(), file.path.end(), '/');
  std::string target = "../../";
  for (auto i = depth; i > 0; --i) target += "../";
  return absl::StrCat(target, "blobs/", file.etag);
}

absl::Status LinkInto(const std::string& folder, const CachedFile& file) {
  const fs::path path = fs::path(folder) / file.path;
  PIVOT_RETURN_IF_ERROR(MakeFolders(path.parent_path().string()));
  return PutLink(LinkTarget(file), path.string());
}

}  // namespace

HubCache::HubCache(std::string cache, const std::string& repo)
    : cache_(std::move(cache)),
      name_(absl::StrCat("models--", absl::StrReplaceAll(repo, {{"/", "--"}}))),
      folder_(absl::StrCat(cache_, "/", name_)) {}

std::string HubCache::BlobPath(const std::string& etag) const { return absl::StrCat(folder_, "/blobs/", etag); }
std::string HubCache::IncompletePath(const std::string& etag) const { return BlobPath(etag) + ".incomplete"; }
std::string HubCache::LockPath(const std::string& etag) const {
  return absl::StrCat(cache_, "/.locks/", name_, "/", etag, ".lock");
}
std::string HubCache::SnapshotPath(const std::string& commit) const {
  return absl::StrCat(folder_, "/snapshots/", commit);
}

std::optional<std::string> HubCache::CommitOf(const std::string& revision) const {
  if (IsCommit(revision)) return revision;
  const auto text = ReadSmallFile(absl::StrCat(folder_, "/refs/", revision), kMaxRefBytes);
  if (!text.ok()) return std::nullopt;
  std::string commit(absl::StripAsciiWhitespace(*text));
  return IsCommit(commit) ? std::optional(std::move(commit)) : std::nullopt;
}

bool HubCache::HasBlob(const std::string& etag, int64_t bytes) const { return IsFileOf(BlobPath(etag), bytes); }

absl::Status HubCache::MakeFolders() const {
  PIVOT_RETURN_IF_ERROR(pivot::MakeFolders(folder_ + "/blobs"));
  PIVOT_RETURN_IF_ERROR(pivot::MakeFolders(folder_ + "/snapshots"));
  PIVOT_RETURN_IF_ERROR(pivot::MakeFolders(absl::StrCat(cache_, "/.locks/", name_)));
  const std::string tag = cache_ + "/CACHEDIR.TAG";
  if (access(tag.c_str(), F_OK) == 0) return absl::OkStatus();
  const absl::Status written = WriteFileDurably(tag, kCacheTag);
  // Another process may have written it at the same time.
  return access(tag.c_str(), F_OK) == 0 ? absl::OkStatus() : written;
}

absl::Status HubCache::LinkSnapshot(const std::string& commit, const std::vector<CachedFile>& files) const {
  std::error_code error;
  if (!fs::exists(SnapshotPath(commit), error)) {
    const absl::Status made = MakeSnapshot(commit, files);
    if (!absl::IsAlreadyExists(made)) return made;
  }
  return CompleteSnapshot(commit, files);
}

absl::Status HubCache::MakeSnapshot(const std::string& commit, const std::vector<CachedFile>& files) const {
  std::string fresh = folder_ + "/.snapshot-XXXXXX";
  if (mkdtemp(fresh.data()) == nullptr) return StatusFromErrno(errno, "cannot make", fresh);
  absl::Status status;
  for (const CachedFile& file : files) {
    status.Update(LinkInto(fresh, file));
  }
  // As umask would have it: others may share the cache.
  struct stat like{};
  if (stat(folder_.c_str(), &like) == 0) chmod(fresh.c_str(), like.st_mode & 0777);
  if (status.ok() && rename(fresh.c_str(), SnapshotPath(commit).c_str()) != 0) {
    const bool is_there = errno == EEXIST || errno == ENOTEMPTY;
    status = is_there ? absl::AlreadyExistsError("") : StatusFromErrno(errno, "cannot make", SnapshotPath(commit));
  }
  if (!status.ok()) RemoveAll(fresh).IgnoreError();
  return status;
}

absl::Status HubCache::CompleteSnapshot(const std::string& commit, std::vector<CachedFile> files) const {
  std::stable_partition(files.begin(), files.end(), [](const CachedFile& file) { return file.path != "config.json"; });
  const std::string folder = SnapshotPath(commit);
  for (const CachedFile& file : files) {
    if (IsFileOf(absl::StrCat(folder, "/", file.path), file.bytes)) continue;
    PIVOT_RETURN_IF_ERROR(LinkInto(folder, file));
  }
  return absl::OkStatus();
}

absl::Status HubCache::WriteRef(const std::string& revision, const std::string& commit) const {
  if (revision == commit || CommitOf(revision) == commit) return absl::OkStatus();
  const fs::path path = fs::path(folder_) / "refs" / revision;
  PIVOT_RETURN_IF_ERROR(pivot::MakeFolders(path.parent_path().string()));
  const std::string fresh = absl::StrCat(path.string(), ".", getpid(), ".tmp");
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(fresh, commit));
  if (rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return StatusFromErrno(errno, "cannot write", path.string());
}

}  // namespace pivot::hub
