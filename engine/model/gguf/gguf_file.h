// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_FILE_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_FILE_H_

// A GGUF file: llama.cpp's container of metadata and tensors. Little-endian.
//
//   "GGUF", u32 version (2 or 3), u64 tensors, u64 values
//   values    key, u32 type, value; a text is u64 length and its bytes, a list u32 type, u64 length and its elements
//   tensors   name, u32 number of dimensions, u64 each (columns first), u32 type, u64 offset into the payload
//   padding to general.alignment (32), then the payload; each tensor begins at a multiple of the alignment
//
// Source: docs/gguf.md of ggml-org/ggml, gguf.cpp of ggml-org/llama.cpp.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/gguf/ggml_type.h"
#include "engine/model/mapped_file.h"

namespace pivot {

inline constexpr int64_t kMaxGgufTensors = 1'000'000;
inline constexpr int64_t kMaxGgufValues = 1'000'000;
inline constexpr int64_t kMaxGgufElements = int64_t{1} << 26;  // of all lists

/// Whole numbers of any width (those above int64 become its largest), numbers, truth values and texts, alone or in
/// lists; monostate: a list of lists, which nothing here asks for. Texts lie in the mapped file.
using GgufValue = std::variant<std::monostate, int64_t, double, bool, absl::string_view, std::vector<int64_t>,
                               std::vector<double>, std::vector<bool>, std::vector<absl::string_view>>;

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::kFloat32;
  std::vector<int64_t> shape;  // rows first, as everywhere else here: the reverse of the file's order
  int64_t begin = 0;           // bytes, from the start of the file
  int64_t end = 0;

  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
};

/// Mapped, with all its metadata parsed. Several threads may read.
class GgufFile {
 public:
  /// kInvalidArgument, its message beginning with the path: MALFORMED_WEIGHTS when the file breaks the format or is cut
  /// off, UNSUPPORTED_CHECKPOINT for a version, byte order or type of tensor that is not read, naming it.
  static absl::StatusOr<GgufFile> Open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  int64_t file_bytes() const { return file_->size(); }
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in the order of the file's list
  /// Where the tensor's bytes are; valid while this object or a copy of it lives.
  absl::string_view Bytes(const GgufTensor& tensor) const;

  /// Nothing when there is no such value, or it is of another type.
  std::optional<int64_t> Integer(absl::string_view key) const;
  std::optional<double> Number(absl::string_view key) const;
  std::optional<bool> Boolean(absl::string_view key) const;
  std::optional<absl::string_view> Text(absl::string_view key) const;
  /// Null when there is none.
  const std::vector<absl::string_view>* Texts(absl::string_view key) const;
  const std::vector<int64_t>* Integers(absl::string_view key) const;
  const std::vector<double>* Numbers(absl::string_view key) const;

 private:
  explicit GgufFile(std::shared_ptr<MappedFile> file) : file_(std::move(file)) {}

  std::shared_ptr<MappedFile> file_;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_FILE_H_
