// SPDX-License-Identifier: Apache-2.0
#include "engine/model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int64_t kLengthBytes = 8;

absl::Status Malformed(const std::string& path, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat(path, ": ", problem, "; the file is damaged or was not downloaded completely")),
                    "MALFORMED_WEIGHTS");
}

absl::StatusOr<std::vector<int64_t>> ParseIntegers(const json* list, size_t max_size) {
  if (list == nullptr || !list->is_array() || list->size() > max_size)
    return absl::InvalidArgumentError("not a short list");
  std::vector<int64_t> values;
  for (const json& value : *list) {
    // A number above int64's range is unsigned in this library; nothing legitimate is that large.
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<uint64_t>() <= std::numeric_limits<int64_t>::max());
    if (!fits || value.get<int64_t>() < 0) return absl::InvalidArgumentError("not whole numbers from 0 on");
    values.push_back(value.get<int64_t>());
  }
  return values;
}

const json* Member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

absl::StatusOr<TensorInfo> ParseTensor(const std::string& name, const json& entry, const std::string& path) {
  if (!entry.is_object()) return Malformed(path, absl::StrCat("header entry of ", name, " is not an object"));
  TensorInfo tensor{.name = name};
  const json* dtype = Member(entry, "dtype");
  const auto known = dtype != nullptr && dtype->is_string() ? DtypeFromName(dtype->get<std::string>()) : std::nullopt;
  if (!known.has_value()) return Malformed(path, absl::StrCat("tensor ", name, " has no known dtype"));
  tensor.dtype = *known;
  auto shape = ParseIntegers(Member(entry, "shape"), 16);
  if (!shape.ok()) return Malformed(path, absl::StrCat("the shape of tensor ", name, " is wrong"));
  tensor.shape = *std::move(shape);
  const auto offsets = ParseIntegers(Member(entry, "data_offsets"), 2);
  if (!offsets.ok() || offsets->size() != 2 || (*offsets)[0] > (*offsets)[1]) {
    return Malformed(path, absl::StrCat("the data_offsets of tensor ", name, " are wrong"));
  }
  tensor.begin = (*offsets)[0];
  tensor.end = (*offsets)[1];
  const auto elements = NumElements(tensor.shape);
  const int64_t bits = DtypeBits(tensor.dtype);
  if (!elements.ok() || *elements > std::numeric_limits<int64_t>::max() / bits || (*elements * bits) % 8 != 0 ||
      *elements * bits / 8 != tensor.bytes()) {
    return Malformed(path, absl::StrCat("tensor ", name, " of shape ", ShapeText(tensor.shape), " does not take its ",
                                        tensor.bytes(), " bytes"));
  }
  return tensor;
}

absl::Status ParseMetadata(const json& entry, SafetensorsHeader& header, const std::string& path) {
  if (!entry.is_object()) return Malformed(path, "__metadata__ is not an object");
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) return Malformed(path, "__metadata__ holds something else than strings");
    header.metadata[key] = value.get<std::string>();
  }
  return absl::OkStatus();
}

/// The tensors touch each other from the start of the payload to the end of the file.
absl::Status CheckCoverage(const SafetensorsHeader& header, int64_t file_bytes, const std::string& path) {
  int64_t position = 0;
  for (const TensorInfo& tensor : header.tensors) {
    if (tensor.begin != position) {
      return Malformed(path,
                       absl::StrCat("tensor ", tensor.name, " begins at ", tensor.begin, " instead of ", position));
    }
    position = tensor.end;
  }
  const int64_t payload = file_bytes - header.payload_offset;
  if (position != payload) {
    return Malformed(path,
                     absl::StrCat("the header speaks of ", position, " bytes of tensors, the file holds ", payload));
  }
  return absl::OkStatus();
}

int64_t LengthWord(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value > static_cast<uint64_t>(kMaxSafetensorsHeaderBytes) ? -1 : static_cast<int64_t>(value);
}

}  // namespace

absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 0) return absl::InvalidArgumentError("a dimension is negative");
    if (size != 0 && elements > std::numeric_limits<int64_t>::max() / size) {
      return absl::InvalidArgumentError("the number of elements does not fit 64 bits");
    }
    elements *= size;
  }
  return elements;
}

std::string ShapeText(absl::Span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view head, int64_t file_bytes,
                                                         const std::string& path) {
  if (head.size() < kLengthBytes) return Malformed(path, "shorter than the 8 bytes every safetensors file begins with");
  const int64_t length = LengthWord(head);
  if (length < 2) return Malformed(path, "the header's length is not between 2 and 100,000,000");
  if (length > file_bytes - kLengthBytes || static_cast<size_t>(length) > head.size() - kLengthBytes) {
    return Malformed(path, absl::StrCat("the header should have ", length, " bytes, the file has only ", file_bytes));
  }
  const absl::string_view text = head.substr(kLengthBytes, static_cast<size_t>(length));
  if (text[0] != '{') return Malformed(path, "the header does not begin with {");
  auto document = ParseJson(text, "the header");
  if (!document.ok()) return Malformed(path, document.status().message());
  if (document->size() > kMaxTensorsPerFile) return Malformed(path, "more than 1,000,000 tensors");

  SafetensorsHeader header{.payload_offset = kLengthBytes + length};
  for (const auto& [name, entry] : document->items()) {
    if (name == "__metadata__") {
      PIVOT_RETURN_IF_ERROR(ParseMetadata(entry, header, path));
      continue;
    }
    PIVOT_ASSIGN_OR_RETURN(TensorInfo tensor, ParseTensor(name, entry, path));
    header.tensors.push_back(std::move(tensor));
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  PIVOT_RETURN_IF_ERROR(CheckCoverage(header, file_bytes, path));
  return header;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::Open(path));
  PIVOT_ASSIGN_OR_RETURN(SafetensorsHeader header, ParseSafetensorsHeader(file->bytes(), file->size(), path));
  return SafetensorsFile(std::move(file), std::move(header));
}

SafetensorsFile::SafetensorsFile(std::shared_ptr<MappedFile> file, SafetensorsHeader header)
    : file_(std::move(file)), header_(std::move(header)) {
  for (size_t i = 0; i < header_.tensors.size(); ++i) by_name_[header_.tensors[i].name] = i;
}

const TensorInfo* SafetensorsFile::Find(absl::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : &header_.tensors[found->second];
}

absl::string_view SafetensorsFile::Bytes(const TensorInfo& tensor) const {
  return file_->bytes().substr(static_cast<size_t>(header_.payload_offset + tensor.begin),
                               static_cast<size_t>(tensor.bytes()));
}

}  // namespace pivot
