// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/safetensors.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kMaxNesting = 4;
constexpr int64_t kMaxKeyBytes = 65535;
constexpr int64_t kMaxNameBytes = 1024;
constexpr uint32_t kMaxDimensions = 4;
constexpr int64_t kDefaultAlignment = 32;
constexpr int64_t kMaxAlignment = int64_t{1} << 20;

// Numbers of the types of values.
enum class ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kText, kList, kU64, kI64, kF64 };

/// Bytes that one value takes, at least.
int64_t MinBytes(ValueType type) {
  constexpr std::array<int64_t, 13> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return kBytes[static_cast<size_t>(type)];
}

bool IsInteger(ValueType type) { return type <= ValueType::kI32 || type == ValueType::kU64 || type == ValueType::kI64; }

/// Goes through the file's head. After the first fault every read gives zeros, and `fault` says what it was.
class Cursor {
 public:
  explicit Cursor(absl::string_view bytes) : bytes_(bytes) {}

  const std::string& fault() const { return fault_; }
  bool ok() const { return fault_.empty(); }
  int64_t position() const { return position_; }
  void Fail(absl::string_view problem) {
    if (fault_.empty()) fault_ = std::string(problem);
  }

  template <typename T>
  T Read() {
    T value{};
    const absl::string_view bytes = Take(sizeof(T));
    if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  /// A u64 of at most `max`.
  int64_t Count(int64_t max, absl::string_view what) {
    const auto count = Read<uint64_t>();
    if (count > static_cast<uint64_t>(max)) {
      Fail(absl::StrCat(what, " is ", count));
      return 0;
    }
    return static_cast<int64_t>(count);
  }

  absl::string_view Text(int64_t max_bytes, absl::string_view what) { return Take(Count(max_bytes, what)); }
  absl::string_view Text() { return Text(remaining(), "the length of a text"); }

  GgufValue Value(ValueType type, int nesting = 0) {
    if (type > ValueType::kF64) {
      Fail(absl::StrCat("a value has the type ", static_cast<uint32_t>(type)));
      return {};
    }
    if (IsInteger(type)) return Integer(type);
    if (type == ValueType::kF32) return static_cast<double>(Read<float>());
    if (type == ValueType::kF64) return Read<double>();
    if (type == ValueType::kBool) return Boolean();
    if (type == ValueType::kText) return Text();
    return List(nesting);
  }

 private:
  int64_t remaining() const { return static_cast<int64_t>(bytes_.size()) - position_; }

  absl::string_view Take(int64_t count) {
    if (!ok()) return "";
    if (count > remaining()) {
      Fail("it ends in its head");
      return "";
    }
    const absl::string_view taken = bytes_.substr(static_cast<size_t>(position_), static_cast<size_t>(count));
    position_ += count;
    return taken;
  }

  bool Boolean() {
    const auto byte = Read<uint8_t>();
    if (byte > 1) Fail("a truth value is neither 0 nor 1");
    return byte == 1;
  }

  int64_t Integer(ValueType type) {
    switch (type) {
      case ValueType::kU8:
        return Read<uint8_t>();
      case ValueType::kI8:
        return Read<int8_t>();
      case ValueType::kU16:
        return Read<uint16_t>();
      case ValueType::kI16:
        return Read<int16_t>();
      case ValueType::kU32:
        return Read<uint32_t>();
      case ValueType::kI32:
        return Read<int32_t>();
      case ValueType::kU64:
        return static_cast<int64_t>(std::min<uint64_t>(Read<uint64_t>(), std::numeric_limits<int64_t>::max()));
      default:
        return Read<int64_t>();
    }
  }

  template <typename T, typename ReadOne>
  GgufValue ListOf(int64_t count, const ReadOne& read_one) {
    std::vector<T> list;
    list.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count && ok(); ++i) list.push_back(read_one());
    return list;
  }

  GgufValue List(int nesting) {
    const auto type = static_cast<ValueType>(Read<uint32_t>());
    if (type > ValueType::kF64 || nesting >= kMaxNesting) {
      Fail(type > ValueType::kF64 ? absl::StrCat("a list is of the type ", static_cast<uint32_t>(type))
                                  : std::string("lists are nested too deep"));
      return {};
    }
    // No more elements than the file has room for, so that no memory is asked for that it does not fill.
    const int64_t count = Count(remaining() / MinBytes(type), "the length of a list");
    if (count > elements_left_) {
      Fail(absl::StrCat("its lists have more than ", kMaxGgufElements, " elements"));
      return {};
    }
    elements_left_ -= count;
    if (IsInteger(type)) return ListOf<int64_t>(count, [&] { return Integer(type); });
    if (type == ValueType::kF32) return ListOf<double>(count, [&] { return static_cast<double>(Read<float>()); });
    if (type == ValueType::kF64) return ListOf<double>(count, [&] { return Read<double>(); });
    if (type == ValueType::kBool) return ListOf<bool>(count, [&] { return Boolean(); });
    if (type == ValueType::kText) return ListOf<absl::string_view>(count, [&] { return Text(); });
    for (int64_t i = 0; i < count && ok(); ++i) List(nesting + 1);
    return {};
  }

  absl::string_view bytes_;
  int64_t position_ = 0;
  int64_t elements_left_ = kMaxGgufElements;  // a byte of the file may become eight in memory
  std::string fault_;
};

absl::Status Malformed(const std::string& path, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat(path, ": ", problem, "; the file is damaged or was not downloaded completely")),
                    "MALFORMED_WEIGHTS");
}

absl::Status Unsupported(const std::string& path, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(path, ": ", problem)), "UNSUPPORTED_CHECKPOINT");
}

absl::Status CheckVersion(const std::string& path, uint32_t version) {
  if (version == 2 || version == 3) return absl::OkStatus();
  if (version != 0 && (version & 0xFFFF) == 0) return Unsupported(path, "it is big-endian; little-endian GGUF is read");
  return Unsupported(path, absl::StrCat("it has version ", version, " of GGUF; 2 and 3 are read"));
}

/// One entry of the list of tensors, its place still counted from the payload's beginning.
absl::StatusOr<GgufTensor> ReadTensor(Cursor& cursor, const std::string& path) {
  GgufTensor tensor{.name = std::string(cursor.Text(kMaxNameBytes, "the length of a tensor's name"))};
  const auto dimensions = cursor.Read<uint32_t>();
  if (dimensions > kMaxDimensions)
    cursor.Fail(absl::StrCat("tensor ", tensor.name, " has ", dimensions, " dimensions"));
  for (uint32_t i = 0; i < dimensions && cursor.ok(); ++i)
    tensor.shape.push_back(cursor.Count(std::numeric_limits<int64_t>::max(), "a tensor's dimension"));
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  const auto number = cursor.Read<uint32_t>();
  tensor.begin = cursor.Count(std::numeric_limits<int64_t>::max() / 4, "a tensor's offset");
  if (!cursor.ok()) return Malformed(path, cursor.fault());
  const auto type = FindGgmlType(number);
  if (!type.has_value()) {
    return Unsupported(
        path, absl::StrCat("tensor ", tensor.name, " is ", GgmlTypeNameOf(number), "; read are ", GgmlTypeNames()));
  }
  tensor.type = *type;
  const auto elements = NumElements(tensor.shape);
  const GgmlBlock block = BlockOf(tensor.type);
  if (!elements.ok() || *elements > std::numeric_limits<int64_t>::max() / 64 || tensor.columns() % block.columns != 0) {
    return Malformed(path, absl::StrCat("tensor ", tensor.name, " cannot be ", GgmlTypeName(tensor.type), " ",
                                        ShapeText(tensor.shape)));
  }
  tensor.end = tensor.begin + *elements / block.columns * block.bytes;
  return tensor;
}

/// Each in the file, at a multiple of the alignment, none over another.
absl::Status CheckPlaces(const std::vector<GgufTensor>& tensors, int64_t alignment, int64_t payload, int64_t file_bytes,
                         const std::string& path) {
  std::vector<const GgufTensor*> by_place;
  std::set<absl::string_view> names;
  for (const GgufTensor& tensor : tensors) {
    by_place.push_back(&tensor);
    if (!names.insert(tensor.name).second)
      return Malformed(path, absl::StrCat("tensor ", tensor.name, " is there twice"));
  }
  std::sort(by_place.begin(), by_place.end(), [](const GgufTensor* a, const GgufTensor* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  int64_t end = payload;
  for (const GgufTensor* tensor : by_place) {
    if ((tensor->begin - payload) % alignment != 0 || tensor->begin < end)
      return Malformed(path, absl::StrCat("tensor ", tensor->name, " lies where it must not"));
    if (tensor->end > file_bytes) return Malformed(path, absl::StrCat("it ends in tensor ", tensor->name));
    end = tensor->end;
  }
  return absl::OkStatus();
}

template <typename T>
const T* ValueAs(const GgufFile& file, absl::string_view key) {
  const auto found = file.values().find(key);
  return found == file.values().end() ? nullptr : std::get_if<T>(&found->second);
}

template <typename T>
std::optional<T> CopyOf(const T* value) {
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

}  // namespace

absl::StatusOr<GgufFile> GgufFile::Open(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> mapped, MappedFile::Open(path));
  GgufFile file(std::move(mapped));
  Cursor cursor(file.file_->bytes());
  const auto magic = cursor.Read<std::array<char, 4>>();
  if (absl::string_view(magic.data(), magic.size()) != "GGUF")
    return Malformed(path, "it does not begin with \"GGUF\"");
  const auto version = cursor.Read<uint32_t>();
  if (!cursor.ok()) return Malformed(path, cursor.fault());
  PIVOT_RETURN_IF_ERROR(CheckVersion(path, version));
  const int64_t num_tensors = cursor.Count(kMaxGgufTensors, "the number of tensors");
  const int64_t num_values = cursor.Count(kMaxGgufValues, "the number of values");
  for (int64_t i = 0; i < num_values && cursor.ok(); ++i) {
    const std::string key(cursor.Text(kMaxKeyBytes, "the length of a key"));
    const auto type = static_cast<ValueType>(cursor.Read<uint32_t>());
    if (!file.values_.try_emplace(key, cursor.Value(type)).second) cursor.Fail(absl::StrCat(key, " is there twice"));
  }
  if (!cursor.ok()) return Malformed(path, cursor.fault());
  const int64_t alignment = file.Integer("general.alignment").value_or(kDefaultAlignment);
  if (alignment < 1 || alignment > kMaxAlignment || !std::has_single_bit(static_cast<uint64_t>(alignment)))
    return Malformed(path, absl::StrCat("general.alignment is ", alignment));
  for (int64_t i = 0; i < num_tensors; ++i) {
    PIVOT_ASSIGN_OR_RETURN(GgufTensor tensor, ReadTensor(cursor, path));
    file.tensors_.push_back(std::move(tensor));
  }
  const int64_t payload = (cursor.position() + alignment - 1) / alignment * alignment;
  for (GgufTensor& tensor : file.tensors_) {
    tensor.begin += payload;
    tensor.end += payload;
  }
  PIVOT_RETURN_IF_ERROR(CheckPlaces(file.tensors_, alignment, payload, file.file_bytes(), path));
  return file;
}

absl::string_view GgufFile::Bytes(const GgufTensor& tensor) const {
  return file_->bytes().substr(static_cast<size_t>(tensor.begin), static_cast<size_t>(tensor.end - tensor.begin));
}

std::optional<int64_t> GgufFile::Integer(absl::string_view key) const { return CopyOf(ValueAs<int64_t>(*this, key)); }
std::optional<double> GgufFile::Number(absl::string_view key) const { return CopyOf(ValueAs<double>(*this, key)); }
std::optional<bool> GgufFile::Boolean(absl::string_view key) const { return CopyOf(ValueAs<bool>(*this, key)); }
std::optional<absl::string_view> GgufFile::Text(absl::string_view key) const {
  return CopyOf(ValueAs<absl::string_view>(*this, key));
}
const std::vector<absl::string_view>* GgufFile::Texts(absl::string_view key) const {
  return ValueAs<std::vector<absl::string_view>>(*this, key);
}
const std::vector<int64_t>* GgufFile::Integers(absl::string_view key) const {
  return ValueAs<std::vector<int64_t>>(*this, key);
}
const std::vector<double>* GgufFile::Numbers(absl::string_view key) const {
  return ValueAs<std::vector<double>>(*this, key);
}

}  // namespace pivot
