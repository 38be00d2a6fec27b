// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_WRITER_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_WRITER_H_

// Writes a GGUF file (gguf_file.h), version 3.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/model/gguf/ggml_type.h"

namespace pivot {

/// Metadata in the order in which it is added. Keys must differ.
class GgufValues {
 public:
  void AddInteger(absl::string_view key, uint32_t value);
  void AddNumber(absl::string_view key, float value);
  void AddBoolean(absl::string_view key, bool value);
  void AddText(absl::string_view key, absl::string_view value);
  void AddTexts(absl::string_view key, absl::Span<const std::string> values);
  void AddIntegers(absl::string_view key, absl::Span<const int32_t> values);
  void AddNumbers(absl::string_view key, absl::Span<const float> values);

  int64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void AddKey(absl::string_view key, uint32_t type);
  void AddList(absl::string_view key, uint32_t type, size_t count);

  std::string bytes_;
  int64_t count_ = 0;
};

struct GgufSpec {
  std::string name;
  GgmlType type = GgmlType::kFloat32;
  std::vector<int64_t> shape;  // rows first
};

/// The file's head, padding included, and where each tensor begins, in the order of the specs, without a gap but for
/// the alignment.
struct GgufLayout {
  struct Place {
    int64_t offset = 0;  // from the start of the file
    int64_t bytes = 0;
  };
  std::string head;
  std::vector<Place> places;
  int64_t file_bytes = 0;
};
GgufLayout LayOutGguf(const GgufValues& values, absl::Span<const GgufSpec> specs);

/// Tensors are put one after the other, in any order. Nothing is left when it is destroyed before Finish.
class GgufWriter {
 public:
  static absl::StatusOr<GgufWriter> Create(const std::string& path, const GgufValues& values,
                                           absl::Span<const GgufSpec> specs);
  GgufWriter(GgufWriter&& other) noexcept;
  GgufWriter& operator=(GgufWriter&&) = delete;
  ~GgufWriter();

  /// kInternal when there is no such tensor, it was put before, or it has another length.
  absl::Status Put(absl::string_view name, absl::string_view bytes);
  /// Syncs and renames (PATH.part before). kInternal names a tensor that was not put.
  absl::Status Finish();

 private:
  GgufWriter(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
  int64_t file_bytes_ = 0;
  std::map<std::string, GgufLayout::Place, std::less<>> missing_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_WRITER_H_
