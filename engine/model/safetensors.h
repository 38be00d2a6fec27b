// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_SAFETENSORS_H_
#define PIVOT_ENGINE_MODEL_SAFETENSORS_H_

// The safetensors format: header, reader over mapped memory, durable writer.
//
//   offset 0    u64 little-endian N, 2 <= N <= 100,000,000
//   offset 8    N bytes of JSON that begin with '{', padded at the end with spaces
//   offset 8+N  the tensors' bytes, row-major, little-endian, without gap or overlap up to the end of the file
//
// Source: the format page and the reference implementation of huggingface/safetensors.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/model/dtype.h"
#include "engine/model/mapped_file.h"

namespace pivot {

inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr size_t kMaxTensorsPerFile = 1'000'000;

struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kFloat32;
  std::vector<int64_t> shape;
  int64_t begin = 0;  // bytes, from the start of the payload
  int64_t end = 0;

  int64_t bytes() const { return end - begin; }
};

/// Elements of a tensor of this shape; 1 for rank 0. kInvalidArgument when a dimension is negative or the product
/// overflows.
absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape);

/// "[576, 1536]".
std::string ShapeText(absl::Span<const int64_t> shape);

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
  int64_t payload_offset = 0;  // of the payload in the file
};

/// Parses and checks every rule of the format. `head` is the file's beginning, at least the whole header; `file_bytes`
/// the size of the file. kInvalidArgument (reason MALFORMED_WEIGHTS), its message begins with `path`.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view head, int64_t file_bytes,
                                                         const std::string& path);

/// A file mapped into memory. The mapping lives as long as the object; several threads may read.
class SafetensorsFile {
 public:
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const SafetensorsHeader& header() const { return header_; }
  int64_t file_bytes() const { return file_->size(); }
  /// Null when there is no such tensor.
  const TensorInfo* Find(absl::string_view name) const;
  /// Where the tensor's bytes are; valid while this object lives.
  absl::string_view Bytes(const TensorInfo& tensor) const;

 private:
  SafetensorsFile(std::shared_ptr<MappedFile> file, SafetensorsHeader header);

  std::shared_ptr<MappedFile> file_;
  SafetensorsHeader header_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

/// A tensor of a file that is to be written.
struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kFloat32;
  std::vector<int64_t> shape;
};

/// The header's bytes (length word and padding included) and the tensors in file order, which is the reference
/// library's: larger alignment first, later dtype first, then by name. Names must differ.
struct SafetensorsLayout {
  std::string head;
  std::vector<TensorInfo> tensors;
  int64_t file_bytes = 0;
};
SafetensorsLayout LayOutSafetensors(absl::Span<const TensorSpec> tensors);

struct TensorBytes {
  TensorSpec spec;
  absl::string_view bytes;
};

struct WrittenFile {
  int64_t size = 0;
  std::string sha256;
};

/// Writes the file durably (PATH.part, sync, rename). The bytes must be as long as their spec says.
absl::StatusOr<WrittenFile> WriteSafetensors(const std::string& path, absl::Span<const TensorBytes> tensors);

/// Writes a file whose tensors come one after the other, in any order: the header is known from the specs. No more than
/// one tensor has to be in memory. Nothing is left when it is destroyed before Finish.
class SafetensorsWriter {
 public:
  static absl::StatusOr<SafetensorsWriter> Create(const std::string& path, absl::Span<const TensorSpec> tensors);
  SafetensorsWriter(SafetensorsWriter&& other) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) = delete;
  ~SafetensorsWriter();

  /// kInternal when there is no such tensor, it was put before, or it has another length.
  absl::Status Put(absl::string_view name, absl::string_view bytes);
  /// The same of bytes in a MappedFile, whose pages are let go as they are written.
  absl::Status PutMapped(absl::string_view name, absl::string_view bytes);
  /// Syncs and renames (PATH.part before). kInternal names a tensor that was not put.
  absl::Status Finish();

 private:
  SafetensorsWriter(std::string path, int fd, SafetensorsLayout layout);
  /// Where the tensor's bytes go in the file; it counts as put.
  absl::StatusOr<int64_t> Place(absl::string_view name, absl::string_view bytes);

  std::string path_;
  int fd_;
  SafetensorsLayout layout_;
  std::map<std::string, size_t, std::less<>> missing_;  // name -> index into layout_.tensors
};

/// Where pieces of the file begin, as docs/format.md cuts them.
std::vector<int64_t> PieceOffsets(const SafetensorsHeader& header, int64_t file_bytes);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_SAFETENSORS_H_
