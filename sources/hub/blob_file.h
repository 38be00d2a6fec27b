// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_BLOB_FILE_H_
#define PIVOT_SOURCES_HUB_BLOB_FILE_H_

// A blob on its way: the file of its first bytes, hashed as it grows.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sources/hub/blob_hash.h"

namespace pivot::hub {

class BlobFile {
 public:
  /// Of a blob with this name and size, at `path`.
  BlobFile(std::string path, std::string etag, int64_t bytes);
  BlobFile(const BlobFile&) = delete;
  BlobFile& operator=(const BlobFile&) = delete;
  ~BlobFile();

  /// Makes the file, or takes up what lies there: reads and hashes it. A file that is too long is emptied. kCancelled
  /// when `is_stopped` says so.
  absl::Status Open(const std::function<bool()>& is_stopped);

  /// Begins again with nothing.
  absl::Status StartOver();

  /// DISK_FULL.
  absl::Status Append(absl::string_view bytes);

  /// Once all bytes are there: "" when they have the hash that the name promises and are on the disk, else what
  /// differs. The end of hashing: only StartOver() may follow.
  absl::StatusOr<std::string> FindFault();

  void Remove();

  int64_t written() const { return written_; }
  /// Whether some of it was there before Open().
  bool has_old_bytes() const { return has_old_bytes_; }

 private:
  const std::string path_;
  const std::string etag_;
  const int64_t bytes_;
  int fd_ = -1;
  int64_t written_ = 0;
  bool has_old_bytes_ = false;
  std::unique_ptr<BlobHash> hash_;
};

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_BLOB_FILE_H_
