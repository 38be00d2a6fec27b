// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "engine/model/safetensors.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr size_t kMappedStep = size_t{16} << 20;

/// Writes and hashes in one go.
absl::Status Append(int fd, absl::string_view bytes, Sha256& hash, const std::string& path) {
  hash.Update(bytes);
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StatusFromErrno(errno, "cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::StatusOr<WrittenFile> WriteOpenFile(int fd, absl::Span<const TensorBytes> tensors, const std::string& path) {
  std::vector<TensorSpec> specs;
  absl::flat_hash_map<std::string, absl::string_view> bytes_of;
  for (const TensorBytes& tensor : tensors) {
    specs.push_back(tensor.spec);
    bytes_of[tensor.spec.name] = tensor.bytes;
  }
  const SafetensorsLayout layout = LayOutSafetensors(specs);
  Sha256 hash;
  PIVOT_RETURN_IF_ERROR(Append(fd, layout.head, hash, path));
  for (const TensorInfo& info : layout.tensors) {
    const absl::string_view bytes = bytes_of[info.name];
    if (static_cast<int64_t>(bytes.size()) != info.bytes()) {
      return absl::InternalError(
          absl::StrCat("tensor ", info.name, " has ", bytes.size(), " bytes instead of ", info.bytes()));
    }
    PIVOT_RETURN_IF_ERROR(Append(fd, bytes, hash, path));
  }
  if (fsync(fd) != 0) return StatusFromErrno(errno, "cannot sync", path);
  return WrittenFile{.size = layout.file_bytes, .sha256 = hash.Finish()};
}

}  // namespace

SafetensorsLayout LayOutSafetensors(absl::Span<const TensorSpec> tensors) {
  SafetensorsLayout layout;
  for (const TensorSpec& spec : tensors) {
    const auto elements = NumElements(spec.shape);
    assert(elements.ok());
    layout.tensors.push_back({.name = spec.name,
                              .dtype = spec.dtype,
                              .shape = spec.shape,
                              .begin = 0,
                              .end = *elements * DtypeBits(spec.dtype) / 8});
  }
  // The enum's order is the library's, which is by alignment.
  std::sort(layout.tensors.begin(), layout.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  std::string text = R"({"__metadata__":{"format":"pt"})";
  int64_t position = 0;
  for (TensorInfo& tensor : layout.tensors) {
    tensor.begin = position;
    position = tensor.end += position;
    const std::string name = nlohmann::json(tensor.name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    absl::StrAppend(&text, ",", name, ":{\"dtype\":\"", DtypeName(tensor.dtype), "\",\"shape\":[",
                    absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[", tensor.begin, ",", tensor.end, "]}");
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  for (size_t i = 0; i < 8; ++i) layout.head.push_back(static_cast<char>((text.size() >> (8 * i)) & 0xFF));
  layout.head += text;
  layout.file_bytes = static_cast<int64_t>(layout.head.size()) + position;
  return layout;
}

absl::StatusOr<WrittenFile> WriteSafetensors(const std::string& path, absl::Span<const TensorBytes> tensors) {
  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return StatusFromErrno(errno, "cannot create", part);
  auto written = WriteOpenFile(fd, tensors, path);
  close(fd);
  if (!written.ok()) {
    unlink(part.c_str());
    return written;
  }
  if (rename(part.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(part.c_str());
    return StatusFromErrno(error, "cannot rename to", path);
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  PIVOT_RETURN_IF_ERROR(SyncFolder(folder.empty() ? "." : folder));
  return written;
}

SafetensorsWriter::SafetensorsWriter(std::string path, int fd, SafetensorsLayout layout)
    : path_(std::move(path)), fd_(fd), layout_(std::move(layout)) {
  for (size_t i = 0; i < layout_.tensors.size(); ++i) missing_[layout_.tensors[i].name] = i;
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      layout_(std::move(other.layout_)),
      missing_(std::move(other.missing_)) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ < 0) return;
  close(fd_);
  unlink((path_ + ".part").c_str());
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(const std::string& path,
                                                            absl::Span<const TensorSpec> tensors) {
  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return StatusFromErrno(errno, "cannot create", part);
  SafetensorsWriter writer(path, fd, LayOutSafetensors(tensors));
  PIVOT_RETURN_IF_ERROR(WriteAt(fd, 0, writer.layout_.head, path));
  return writer;
}

absl::Status SafetensorsWriter::Put(absl::string_view name, absl::string_view bytes) {
  PIVOT_ASSIGN_OR_RETURN(const int64_t position, Place(name, bytes));
  return WriteAt(fd_, position, bytes, path_);
}

absl::Status SafetensorsWriter::PutMapped(absl::string_view name, absl::string_view bytes) {
  PIVOT_ASSIGN_OR_RETURN(const int64_t position, Place(name, bytes));
  for (size_t done = 0; done < bytes.size(); done += kMappedStep) {
    const absl::string_view step = bytes.substr(done, kMappedStep);
    PIVOT_RETURN_IF_ERROR(WriteAt(fd_, position + static_cast<int64_t>(done), step, path_));
    ReleasePages(step);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SafetensorsWriter::Place(absl::string_view name, absl::string_view bytes) {
  const auto found = missing_.find(name);
  if (found == missing_.end())
    return absl::InternalError(absl::StrCat("tensor ", name, " is not to be written, or was written"));
  const TensorInfo& info = layout_.tensors[found->second];
  if (static_cast<int64_t>(bytes.size()) != info.bytes()) {
    return absl::InternalError(
        absl::StrCat("tensor ", name, " has ", bytes.size(), " bytes instead of ", info.bytes()));
  }
  missing_.erase(found);
  return static_cast<int64_t>(layout_.head.size()) + info.begin;
}

absl::Status SafetensorsWriter::Finish() {
  if (!missing_.empty())
    return absl::InternalError(absl::StrCat("tensor ", missing_.begin()->first, " was not written"));
  if (fsync(fd_) != 0) return StatusFromErrno(errno, "cannot sync", path_);
  if (rename((path_ + ".part").c_str(), path_.c_str()) != 0) return StatusFromErrno(errno, "cannot rename to", path_);
  close(std::exchange(fd_, -1));
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  return SyncFolder(folder.empty() ? "." : folder);
}

std::vector<int64_t> PieceOffsets(const SafetensorsHeader& header, int64_t file_bytes) {
  std::vector<int64_t> offsets = {0};
  // A header larger than a piece is cut like any other long run of bytes.
  auto cut_long = [&offsets](int64_t end) {
    while (end - offsets.back() > kMaxPieceBytes) offsets.push_back(offsets.back() + kMaxPieceBytes);
  };
  Dtype previous = Dtype::kFloat32;
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    const TensorInfo& tensor = header.tensors[i];
    if (tensor.bytes() == 0) continue;
    const int64_t begin = header.payload_offset + tensor.begin;
    const int64_t end = header.payload_offset + tensor.end;
    const bool joins = i > 0 && tensor.dtype == previous && end - offsets.back() <= kMaxPieceBytes &&
                       offsets.back() >= header.payload_offset;
    cut_long(begin);
    if (!joins && begin > offsets.back()) offsets.push_back(begin);
    cut_long(end);
    previous = tensor.dtype;
  }
  cut_long(file_bytes);
  return offsets;
}

}  // namespace pivot
