// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_writer.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr uint32_t kVersion = 3;
constexpr int64_t kAlignment = 32;

// Numbers of the types of values that are written.
constexpr uint32_t kU32 = 4;
constexpr uint32_t kI32 = 5;
constexpr uint32_t kF32 = 6;
constexpr uint32_t kBool = 7;
constexpr uint32_t kText = 8;
constexpr uint32_t kList = 9;

/// The bytes of a number; all machines this runs on are little-endian.
template <typename T>
void Append(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendText(absl::string_view text, std::string& out) {
  Append(uint64_t{text.size()}, out);
  absl::StrAppend(&out, text);
}

int64_t Aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t BytesOf(const GgufSpec& spec) {
  int64_t bytes = GgmlRowBytes(spec.type, spec.shape.empty() ? 1 : spec.shape.back());
  for (size_t i = 0; i + 1 < spec.shape.size(); ++i) bytes *= spec.shape[i];
  return bytes;
}

}  // namespace

void GgufValues::AddKey(absl::string_view key, uint32_t type) {
  AppendText(key, bytes_);
  Append(type, bytes_);
  ++count_;
}

void GgufValues::AddList(absl::string_view key, uint32_t type, size_t count) {
  AddKey(key, kList);
  Append(type, bytes_);
  Append(uint64_t{count}, bytes_);
}

void GgufValues::AddInteger(absl::string_view key, uint32_t value) {
  AddKey(key, kU32);
  Append(value, bytes_);
}

void GgufValues::AddNumber(absl::string_view key, float value) {
  AddKey(key, kF32);
  Append(value, bytes_);
}

void GgufValues::AddBoolean(absl::string_view key, bool value) {
  AddKey(key, kBool);
  Append(static_cast<uint8_t>(value), bytes_);
}

void GgufValues::AddText(absl::string_view key, absl::string_view value) {
  AddKey(key, kText);
  AppendText(value, bytes_);
}

void GgufValues::AddTexts(absl::string_view key, absl::Span<const std::string> values) {
  AddList(key, kText, values.size());
  for (const std::string& value : values) AppendText(value, bytes_);
}

void GgufValues::AddIntegers(absl::string_view key, absl::Span<const int32_t> values) {
  AddList(key, kI32, values.size());
  for (const int32_t value : values) Append(value, bytes_);
}

void GgufValues::AddNumbers(absl::string_view key, absl::Span<const float> values) {
  AddList(key, kF32, values.size());
  for (const float value : values) Append(value, bytes_);
}

GgufLayout LayOutGguf(const GgufValues& values, absl::Span<const GgufSpec> specs) {
  GgufLayout layout{.head = "GGUF"};
  Append(kVersion, layout.head);
  Append(uint64_t{specs.size()}, layout.head);
  Append(static_cast<uint64_t>(values.count()), layout.head);
  layout.head += values.bytes();
  int64_t offset = 0;
  for (const GgufSpec& spec : specs) {
    AppendText(spec.name, layout.head);
    Append(static_cast<uint32_t>(spec.shape.size()), layout.head);
    const std::vector<int64_t> reversed(spec.shape.rbegin(), spec.shape.rend());
    for (const int64_t size : reversed) Append(static_cast<uint64_t>(size), layout.head);
    Append(static_cast<uint32_t>(spec.type), layout.head);
    Append(static_cast<uint64_t>(offset), layout.head);
    layout.places.push_back({.offset = offset, .bytes = BytesOf(spec)});
    offset = Aligned(offset + BytesOf(spec));
  }
  layout.head.resize(static_cast<size_t>(Aligned(static_cast<int64_t>(layout.head.size()))), '\0');
  for (GgufLayout::Place& place : layout.places) place.offset += static_cast<int64_t>(layout.head.size());
  layout.file_bytes = static_cast<int64_t>(layout.head.size()) + offset;
  return layout;
}

GgufWriter::GgufWriter(GgufWriter&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      file_bytes_(other.file_bytes_),
      missing_(std::move(other.missing_)) {}

GgufWriter::~GgufWriter() {
  if (fd_ < 0) return;
  close(fd_);
  unlink((path_ + ".part").c_str());
}

absl::StatusOr<GgufWriter> GgufWriter::Create(const std::string& path, const GgufValues& values,
                                              absl::Span<const GgufSpec> specs) {
  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return StatusFromErrno(errno, "cannot create", part);
  GgufWriter writer(path, fd);
  const GgufLayout layout = LayOutGguf(values, specs);
  writer.file_bytes_ = layout.file_bytes;
  for (size_t i = 0; i < specs.size(); ++i) writer.missing_[specs[i].name] = layout.places[i];
  PIVOT_RETURN_IF_ERROR(WriteAt(fd, 0, layout.head, path));
  return writer;
}

absl::Status GgufWriter::Put(absl::string_view name, absl::string_view bytes) {
  const auto found = missing_.find(name);
  if (found == missing_.end())
    return absl::InternalError(absl::StrCat("tensor ", name, " is not to be written, or was written"));
  const GgufLayout::Place place = found->second;
  if (static_cast<int64_t>(bytes.size()) != place.bytes)
    return absl::InternalError(absl::StrCat("tensor ", name, " has ", bytes.size(), " bytes instead of ", place.bytes));
  missing_.erase(found);
  return WriteAt(fd_, place.offset, bytes, path_);
}

absl::Status GgufWriter::Finish() {
  if (!missing_.empty())
    return absl::InternalError(absl::StrCat("tensor ", missing_.begin()->first, " was not written"));
  // The padding after the last tensor is part of the file.
  if (ftruncate(fd_, file_bytes_) != 0) return StatusFromErrno(errno, "cannot lengthen", path_);
  if (fsync(fd_) != 0) return StatusFromErrno(errno, "cannot sync", path_);
  if (rename((path_ + ".part").c_str(), path_.c_str()) != 0) return StatusFromErrno(errno, "cannot rename to", path_);
  close(std::exchange(fd_, -1));
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  return SyncFolder(folder.empty() ? "." : folder);
}

}  // namespace pivot
