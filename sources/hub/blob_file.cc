// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr int64_t kReadBytes = int64_t{1} << 20;

}  // namespace

BlobFile::BlobFile(std::string path, std::string etag, int64_t bytes)
    : path_(std::move(path)), etag_(std::move(etag)), bytes_(bytes) {}

BlobFile::~BlobFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status BlobFile::Open(const std::function<bool()>& is_stopped) {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  struct stat info{};
  if (fd_ < 0 || fstat(fd_, &info) != 0) return StatusFromErrno(errno, "cannot open", path_);
  hash_ = std::make_unique<BlobHash>(etag_, bytes_);
  if (info.st_size > bytes_) return StartOver();
  std::string buffer(static_cast<size_t>(std::clamp<int64_t>(info.st_size, 1, kReadBytes)), '\0');
  while (written_ < info.st_size) {
    if (is_stopped()) return absl::CancelledError("stopped");
    const ssize_t count = pread(fd_, buffer.data(), buffer.size(), written_);
    if (count <= 0) return StatusFromErrno(count < 0 ? errno : EIO, "cannot read", path_);
    hash_->Update({buffer.data(), static_cast<size_t>(count)});
    written_ += count;
  }
  has_old_bytes_ = written_ > 0;
  return absl::OkStatus();
}

absl::Status BlobFile::StartOver() {
  if (ftruncate(fd_, 0) != 0) return StatusFromErrno(errno, "cannot empty", path_);
  hash_ = std::make_unique<BlobHash>(etag_, bytes_);
  written_ = 0;
  has_old_bytes_ = false;
  return absl::OkStatus();
}

absl::Status BlobFile::Append(absl::string_view bytes) {
  PIVOT_RETURN_IF_ERROR(WriteAt(fd_, written_, bytes, path_));
  hash_->Update(bytes);
  written_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<std::string> BlobFile::FindFault() {
  const absl::string_view kind = hash_->kind();
  const std::string found = hash_->Finish();
  if (found != etag_) return absl::StrCat("its ", kind, " is ", found, ", the hub says ", etag_);
  if (fdatasync(fd_) != 0) return StatusFromErrno(errno, "cannot write", path_);
  return "";
}

void BlobFile::Remove() { unlink(path_.c_str()); }

}  // namespace pivot::hub
