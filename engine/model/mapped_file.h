// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MAPPED_FILE_H_
#define PIVOT_ENGINE_MODEL_MAPPED_FILE_H_

// A regular file mapped read-only into memory.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

struct Mapping;

/// That its file changes meanwhile is noticed: engine/model/mapped_changes.h.
class MappedFile {
 public:
  /// kNotFound, kPermissionDenied... when it cannot be opened, kInvalidArgument (UNSAFE_SOURCE) when it is not a
  /// regular file.
  static absl::StatusOr<std::shared_ptr<MappedFile>> Open(const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  absl::string_view bytes() const { return {static_cast<const char*>(data_), static_cast<size_t>(size_)}; }

 private:
  MappedFile(std::string path, void* data, int64_t size, Mapping* mapping = nullptr);

  std::string path_;
  void* data_;
  int64_t size_;
  Mapping* mapping_;  // null for an empty file
};

/// Whether bytes are read again while others of their size are: kNotSoon leaves the page cache to those.
enum class Reuse { kSoon, kNotSoon };

/// Lets go of the whole pages of `bytes`, which must lie in a MappedFile: they no longer count as this process's memory
/// and are read anew when they are touched again.
void ReleasePages(absl::string_view bytes, Reuse reuse = Reuse::kSoon);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MAPPED_FILE_H_
