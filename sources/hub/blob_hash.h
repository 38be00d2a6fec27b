// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_BLOB_HASH_H_
#define PIVOT_SOURCES_HUB_BLOB_HASH_H_

// The hash that a blob's name promises: SHA-256 of its bytes (64 digits, files in LFS or Xet), else git's SHA-1 of it
// (40 digits).

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot::hub {

/// True for a name of one of the two kinds.
bool IsBlobName(absl::string_view etag);

/// Over bytes in order.
class BlobHash {
 public:
  /// Of a blob with this name and size.
  BlobHash(absl::string_view etag, int64_t bytes);
  ~BlobHash();
  BlobHash(const BlobHash&) = delete;
  BlobHash& operator=(const BlobHash&) = delete;

  void Update(absl::string_view bytes);

  /// Lower-case hex digits; the end of it.
  std::string Finish();

  /// "SHA-256" or "git's SHA-1".
  absl::string_view kind() const { return kind_; }

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  absl::string_view kind_;
};

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_BLOB_HASH_H_
